"""Models: networks, cards and weights of the catalogue, adapters for networks that others trained."""
