"""Instances: labels, dense predictions of an FCOS head, assignment, losses, matching and average precision."""
