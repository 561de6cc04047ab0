"""Random streams that depend on a seed and names, never on order, batch or worker."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, *names: str) -> np.random.Generator:
    """A stream that depends on the seed and the names (image, attack, purpose) and on nothing else."""
    digest = hashlib.sha256("\0".join((str(seed), *names)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
