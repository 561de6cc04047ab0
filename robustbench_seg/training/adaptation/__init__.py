"""Unsupervised domain adaptation: predictions on a target are made to look like those on the labelled source."""
