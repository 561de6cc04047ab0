"""Cards and weights."""
