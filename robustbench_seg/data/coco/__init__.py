"""Instances in COCO's format: the data set, its annotation file, and masks."""
