"""Objectives: what an attack pursues."""
