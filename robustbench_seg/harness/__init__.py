"""The harness: plan, work, store, tables."""
