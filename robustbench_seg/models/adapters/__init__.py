"""Custom checkpoints: the network, its weights, how it is called."""
