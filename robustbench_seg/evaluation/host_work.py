"""What the host does with the results of a device: beside the next attack on a GPU, at once on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Semaphore
from typing import TypeVar

import torch

T = TypeVar("T")
MOST_AHEAD = 4
"""Pieces of work that may be left to do."""


class HostWork:
    """Takes work in order. A CPU has nothing to do beside it that another thread would not take from the attack."""

    def __init__(self, device: str) -> None:
        self._thread = ThreadPoolExecutor(1) if torch.device(device).type != "cpu" else None
        self._places = Semaphore(MOST_AHEAD)

    def submit(self, work: Callable[[], T]) -> Future[T]:
        """Do a piece of work, or have it done; at once it raises what it raises, else its result does.

        Waits while so much is to be done that what it needs would fill the device.
        """
        if self._thread is None:
            return done(work())
        self._places.acquire()
        future = self._thread.submit(work)
        future.add_done_callback(lambda _: self._places.release())
        return future

    def close(self) -> None:
        """Leave undone what has not begun."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = ThreadPoolExecutor(1)


def done(value: T) -> Future[T]:
    """A result that is there."""
    future: Future[T] = Future()
    future.set_result(value)
    return future
