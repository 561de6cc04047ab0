"""Studies: a paper's experiments repeated, its published numbers beside ours, and which of its findings hold.

A study is one module with its findings, tables and figures, and one TOML file with the paper's numbers and the page's
words; training, evaluating, comparing and the page are the same for all.
"""
