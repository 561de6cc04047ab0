"""Products of float32 on a GPU: in float32, or in TF32, whose factors have 10 bits of mantissa instead of 23.

torch's own default is neither: TF32 in convolutions, float32 in matrix products. A CPU has no TF32.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from robustbench_seg.lazy import torch

# One of torch's two interfaces throughout: asked through the other one, a setting of this one raises (torch 2.9).
_EXACT, _TF32 = "ieee", "tf32"


def _products() -> tuple[Any, ...]:
    backends: Any = torch.backends
    return backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn


def _set(precisions: Sequence[str]) -> None:
    for products, precision in zip(_products(), precisions, strict=True):
        products.fp32_precision = precision


def set_tf32(allowed: bool) -> None:
    """Multiply in TF32 from now on in this process, or in float32."""
    _set([_TF32 if allowed else _EXACT] * len(_products()))


@contextlib.contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Multiply in TF32 within the block, or in float32; what the process did before is put back."""
    before = [products.fp32_precision for products in _products()]
    set_tf32(allowed)
    try:
        yield
    finally:
        _set(before)
