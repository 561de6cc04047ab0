"""Studies: a paper's experiment repeated here, its published numbers beside ours, what holds and what does not."""
