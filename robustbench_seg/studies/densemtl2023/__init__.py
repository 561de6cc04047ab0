"""DenseMTL 2023: does letting tasks talk make them better, and more robust? `python -m` this package runs it."""
