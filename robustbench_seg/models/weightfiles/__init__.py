"""Files of weights that others wrote: their kind and their tensors, read without executing anything."""
