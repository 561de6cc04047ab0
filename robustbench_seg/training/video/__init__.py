"""Self-supervised depth from video: clips, warping, the photometric loss, and the network that is trained."""
