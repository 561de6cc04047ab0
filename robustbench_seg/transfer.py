"""Tensors between the host and a device: copies that nobody waits for, and the one call that waits.

On a GPU the host queues work and runs ahead of it. What asks for a value (`.item()`, `.cpu()`, `if tensor`, a mask as
an index) stops it until the queue is empty, so that the device has nothing to do while the host catches up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from robustbench_seg.lazy import Tensor, torch


def placed(tensor: Tensor, device: str | torch.device) -> Tensor:
    """The tensor on the device; to a GPU from pinned memory, so that the host need not wait for the copy."""
    if torch.device(device).type != "cuda" or tensor.is_cuda:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def on_host(tensor: Tensor) -> bool:
    """Whether its values can be looked at without waiting, so that what is fastest on a CPU may be chosen."""
    return tensor.device.type == "cpu"


class Arrival:
    """Tensors on their way to the host; those of a CPU are there at once.

    They may come alone, in nested mappings and in dataclasses. What is given twice is copied once, and a dataclass all
    of whose tensors are there already stays the same object.
    """

    def __init__(self, tensors: Any) -> None:
        begun = _Begun()
        self._tensors = begun(tensors)
        self._events = [torch.cuda.current_stream(device).record_event() for device in begun.devices]

    def is_here(self) -> bool:
        """Whether all has arrived; asking does not wait."""
        return all(event.query() for event in self._events)

    def wait(self) -> Any:
        """Wait, and return the tensors on the CPU as they were given."""
        for event in self._events:
            event.synchronize()
        return self._tensors


class _Begun:
    """Begins copies to the CPU; `devices` are the GPUs they come from."""

    def __init__(self) -> None:
        self.devices: set[torch.device] = set()
        self._copies: dict[int, tuple[Any, Any]] = {}

    def __call__(self, tree: Any) -> Any:
        if isinstance(tree, Mapping):
            return {key: self(value) for key, value in tree.items()}
        if id(tree) not in self._copies:
            # Kept with its copy, so that nothing else gets its id.
            self._copies[id(tree)] = tree, self._copied(tree)
        return self._copies[id(tree)][1]

    def _copied(self, tree: Any) -> Any:
        if isinstance(tree, torch.Tensor):
            return self._sent(tree)
        if not is_dataclass(tree) or isinstance(tree, type):
            return tree
        parts = {field.name: getattr(tree, field.name) for field in fields(tree) if field.init}
        copies = {name: self(part) for name, part in parts.items()}
        return tree if all(copies[name] is part for name, part in parts.items()) else replace(tree, **copies)

    def _sent(self, tensor: Tensor) -> Tensor:
        if on_host(tensor) and not tensor.requires_grad:
            return tensor
        if tensor.is_cuda:
            self.devices.add(tensor.device)
        # To the CPU without blocking goes into pinned memory.
        return tensor.detach().to("cpu", non_blocking=True)


def fetch(tensors: Any) -> Any:
    """Tensors on the CPU, given as to `Arrival`; waits for the device."""
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
