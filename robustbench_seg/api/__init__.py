"""The library calls: evaluate a model, attack a batch, load a model."""
