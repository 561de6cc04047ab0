"""The stages of a training: networks that are trained one after another, and lists of frames between them."""
