"""What the host does with the results of a device: beside the next attack on a GPU, at once on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")


class HostWork:
    """Takes work in order. A CPU has nothing to do beside it that another thread would not take from the attack."""

    def __init__(self, device: str) -> None:
        self._thread = ThreadPoolExecutor(1) if torch.device(device).type != "cpu" else None

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do a piece of work, or have it done; at once it raises what it raises, else its result does."""
        return done(work()) if self._thread is None else self._thread.submit(work)


def done(value: T) -> Future[T]:
    """A result that is there."""
    future: Future[T] = Future()
    future.set_result(value)
    return future
