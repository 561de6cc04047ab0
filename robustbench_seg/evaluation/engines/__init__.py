"""Engines: they spread work over threads, processes or a cluster."""
