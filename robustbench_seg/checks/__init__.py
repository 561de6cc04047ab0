"""Checks of what a run measured: what must hold for its numbers to be believed, each an object in one list."""
