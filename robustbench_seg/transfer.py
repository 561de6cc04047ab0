"""Tensors between the host and a device: copies that nobody waits for, and the one call that waits.

On a GPU the host queues work and runs ahead of it. What asks for a value (`.item()`, `.cpu()`, `if tensor`, a mask as
an index) stops it until the queue is empty, so that the device has nothing to do while the host catches up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from robustbench_seg.lazy import Tensor, torch


def placed(tensor: Tensor, device: str | torch.device) -> Tensor:
    """The tensor on the device; to a GPU from pinned memory, so that the host need not wait for the copy."""
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


class Arrival:
    """Tensors, alone or in nested mappings, on their way to the host; those of a CPU are there at once."""

    def __init__(self, tensors: Any) -> None:
        devices: set[torch.device] = set()

        def begun(tensor: Tensor) -> Tensor:
            if tensor.is_cuda:
                devices.add(tensor.device)
            # To the CPU without blocking goes into pinned memory.
            return tensor.detach().to("cpu", non_blocking=True)

        self._tensors = _mapped(tensors, begun)
        self._events = [torch.cuda.current_stream(device).record_event() for device in devices]

    def is_here(self) -> bool:
        """Whether all has arrived; asking does not wait."""
        return all(event.query() for event in self._events)

    def wait(self) -> Any:
        """Wait, and return the tensors on the CPU as they were given."""
        for event in self._events:
            event.synchronize()
        return self._tensors


def fetch(tensors: Any) -> Any:
    """Tensors, alone or in nested mappings, on the CPU; waits for the device."""
    return Arrival(tensors).wait()


class Lagging:
    """A question asked again and again whose answer stays true once it is: whether there is nothing left to do.

    On a CPU the answer is there at once; from a GPU that of an earlier time, so that nobody waits for it.
    """

    def __init__(self) -> None:
        self._asked: list[Arrival] = []

    def __call__(self, flag: Tensor) -> bool:
        """Ask for `flag` (0-dimensional bool), and return whether any answer so far is true."""
        self._asked.append(Arrival(flag))
        while self._asked and self._asked[0].is_here():
            if bool(self._asked.pop(0).wait()):
                return True
        return False


def _mapped(tree: Any, change: Callable[[Tensor], Tensor]) -> Any:
    if isinstance(tree, Mapping):
        return {key: _mapped(value, change) for key, value in tree.items()}
    return change(tree)
