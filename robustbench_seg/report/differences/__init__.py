"""Paired differences between models, with intervals from resampling the images and from several trainings."""
