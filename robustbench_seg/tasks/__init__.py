"""Tasks: losses, statistics and metrics."""
