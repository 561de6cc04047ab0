"""What was measured: keys, the store, resampling, tables and runs."""
