"""One plugin of each kind, each in one file, which by itself works as a `--plugin FILE` too."""
