"""A GPU that is not there: tensors that say they are on one and hold no values.

What mixes devices raises, and so does what needs a value. Neither CUDA nor a driver is needed, but for what is put in
place of here: backward gives zeros, random states are not kept, pinned memory is any, and what is waited for is true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import fields, is_dataclass, replace
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode

from robustbench_seg import transfer

DEVICE = "cuda"


class BroughtOverError(AssertionError):
    """A tensor came to the host by another way than `transfer.Arrival`, or to the GPU by another than `placed`."""


@contextmanager
def pretended_gpu() -> Iterator[Callable[[Any], Any]]:
    """Give a function that puts tensors, alone, in mappings and in dataclasses, on the pretended GPU.

    Modules made in the block are to be made under `torch.device(DEVICE)`.
    """
    with ExitStack() as stack:
        stack.enter_context(patch.object(torch.autograd, "grad", _zeros))
        stack.enter_context(patch.object(torch.random, "fork_rng", lambda **options: nullcontext()))
        stack.enter_context(patch.object(torch.Tensor, "pin_memory", lambda tensor: tensor))
        stack.enter_context(patch.object(transfer, "Arrival", _Arrival))
        mode = stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        mode.cache_enabled = False  # it has crashed on comparing its keys (torch 2.15)
        stack.enter_context(_NothingWaits())

        def put(value: Any) -> Any:
            if isinstance(value, torch.Tensor):
                return mode.from_tensor(value).to(DEVICE, non_blocking=True)
            if isinstance(value, dict):
                return {key: put(part) for key, part in value.items()}
            if hasattr(value, "to"):
                return value.to(DEVICE)
            if is_dataclass(value):
                return replace(value, **{field.name: put(getattr(value, field.name)) for field in fields(value)})
            return value

        yield put


class _NothingWaits(TorchDispatchMode):
    """Raises where a tensor is copied from the GPU to the host, or to the GPU without `non_blocking`.

    Not where it is one number, which modules count their batches in: `waits` sees those.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if func is torch.ops.aten._to_copy.default:
            route = args[0].device.type, made.device.type
            is_waited_for = args[0].dim() > 0 and not kwargs.get("non_blocking")
            if route == (DEVICE, "cpu") or (route == ("cpu", DEVICE) and is_waited_for):
                raise BroughtOverError(f"{' to '.join(route)}: {tuple(args[0].shape)} {args[0].dtype}")
        return made


class _Arrival:
    """Never here before it is waited for; then all that is asked is true."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def is_here(self) -> bool:
        return False

    def wait(self) -> Any:
        with unset_fake_temporarily():
            return torch.ones(self._tensor.shape, dtype=self._tensor.dtype)


def _zeros(value: Any, x: torch.Tensor, **options: Any) -> tuple[torch.Tensor]:
    return (torch.zeros_like(x),)
