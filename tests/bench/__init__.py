"""Side-by-side benchmarks: `python -m tests.bench`, published in reports/benchmarks."""
