"""What makes the host wait for a GPU, recorded on CPU tensors: by their operations, no GPU is needed to know.

What a CPU does not show: copies from one device to another (`to`).
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import robustbench_seg
from robustbench_seg import transfer

PACKAGE = Path(robustbench_seg.__file__).parent
WAITING = {
    *("aten._local_scalar_dense", "aten.equal", "aten.allclose"),
    # The size of what these give depends on values.
    *("aten.nonzero", "aten.masked_select", "aten.bincount", "aten.histc", "aten.multinomial", "torchvision.nms"),
    *("aten._unique", "aten._unique2", "aten.unique_dim", "aten.unique_consecutive", "aten.unique_dim_consecutive"),
}
INDEXING = {"aten.index", "aten._unsafe_index", "aten.index_put", "aten.index_put_", "aten._index_put_impl_"}


class Wait(NamedTuple):
    """An operation that waits, and the line of the package that asked for it, as in "tasks/depth.py:12"."""

    operation: str
    line: str


@contextmanager
def waits() -> Iterator[list[Wait]]:
    """The waits of this thread, in a list that grows while the context lasts.

    What is computed is what a GPU would compute. `fetch` and `Arrival.wait` count; `Lagging` does not, which asks for
    what has arrived.
    """
    found: list[Wait] = []
    thread = threading.get_ident()

    def record(operation: str) -> None:
        line = _asking()
        if line is not None and threading.get_ident() == thread:
            found.append(Wait(operation, line))

    with ExitStack() as stack:
        # What is chosen for a CPU alone is not what runs on a GPU.
        stack.enter_context(patch.object(transfer, "on_host", lambda tensor: False))
        for owner, name, counts in _CALLS:
            stack.enter_context(patch.object(owner, name, _recorded(getattr(owner, name), name, counts, record)))
        stack.enter_context(_Operations(record))
        yield found


class _Operations(TorchDispatchMode):
    """Hands the names of waiting operations to `record`."""

    def __init__(self, record: Callable[[str], None]) -> None:
        super().__init__()
        self._record = record

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = str(func.overloadpacket)
        if name in WAITING or _selects(name, args) or _repeats(func, kwargs):
            self._record(name)
        return func(*args, **kwargs)


def _selects(name: str, args: Any) -> bool:
    """Whether it is an index by a mask."""
    return name in INDEXING and any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1])


def _repeats(func: Any, kwargs: Any) -> bool:
    """Whether it repeats by counts whose sum is not known."""
    return func is torch.ops.aten.repeat_interleave.Tensor and kwargs.get("output_size") is None


def _recorded(call: Callable[..., Any], name: str, counts: Callable[..., bool], record: Callable[[str], None]) -> Any:
    @wraps(call)
    def recorded(*args: Any, **kwargs: Any) -> Any:
        if counts(**kwargs):
            record(name)
        return call(*args, **kwargs)

    return recorded


def _always(**kwargs: Any) -> bool:
    return True


def _to_a_device(device: object = None, **kwargs: Any) -> bool:
    return device is not None


_CALLS = (
    *((torch.Tensor, name, _always) for name in ("cpu", "numpy", "tolist")),
    (transfer.Arrival, "wait", _always),
    # What Python holds is copied from memory that is not pinned, and such a copy waits.
    (torch.Tensor, "new_tensor", _always),
    (torch, "tensor", _to_a_device),
    (torch, "as_tensor", _to_a_device),
)


def _asking() -> str | None:
    """The innermost line of the package outside of `transfer`, or outside of torch where the package has none.

    None where `Lagging` asks.
    """
    frame, other = sys._getframe(1), ""
    while frame is not None:
        file = Path(frame.f_code.co_filename)
        if frame.f_code is transfer.Lagging.__call__.__code__:
            return None
        if PACKAGE in file.parents and file != Path(transfer.__file__):
            return f"{file.relative_to(PACKAGE)}:{frame.f_lineno}"
        if not other and not _passes_on(file):
            other = f"{file.name}:{frame.f_lineno}"
        frame = frame.f_back
    return other


def _passes_on(file: Path) -> bool:
    return file in (Path(__file__), Path(transfer.__file__)) or bool({"torch", "torchvision", "numpy"} & {*file.parts})
