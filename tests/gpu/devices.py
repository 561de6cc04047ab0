"""The devices that tests run on, and what they run."""

from __future__ import annotations

import pytest
import torch

CUDA = pytest.param(
    "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")]
)
PAIRS = {"cpu": ("toy-multi", "toy"), "cuda": ("street-multi", "street")}
"""A model and its data, by device: on a CPU those that take no time."""
