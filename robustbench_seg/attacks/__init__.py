"""Perturbations: budgets, objectives and the attacks that use them."""
