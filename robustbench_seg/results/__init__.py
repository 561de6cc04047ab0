"""What was measured: keys, the store, intervals, tables and runs."""
