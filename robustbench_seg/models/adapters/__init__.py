"""Your own checkpoints: the network, its weights, how it is called."""
