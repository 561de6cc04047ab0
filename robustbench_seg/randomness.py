"""Random streams that depend on a seed and names, never on order, batch or worker."""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np

from robustbench_seg.lazy import torch


def generator(seed: int, *names: str) -> np.random.Generator:
    """A stream that depends on the seed and the names (image, attack, purpose) and on nothing else."""
    digest = hashlib.sha256("\0".join((str(seed), *names)).encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Set the random states that belong to nobody for a while; torch's is put back by who freezes a model."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)
