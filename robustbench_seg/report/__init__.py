"""Reports: figures, tables, a sanity verdict and one page, each a pure function of a run's files."""
