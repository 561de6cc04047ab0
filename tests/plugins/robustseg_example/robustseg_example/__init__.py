"""One plugin of each kind, each in one file: what a package of someone else looks like."""
