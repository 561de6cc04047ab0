"""Attacks of other libraries: `-a SOURCE:NAME`."""
