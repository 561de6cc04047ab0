"""Objectives: what an attack is after."""
