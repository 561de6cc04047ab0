"""Data sets: the embedded world, real data, class files."""
