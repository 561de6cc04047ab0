"""Measuring side by side: the sides alternate, and every measurement is kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any

import torch

Side = Callable[[], float]


class Deadline:
    """A time by which something should be done, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self._begun = time.perf_counter()
        self.seconds = seconds

    @property
    def spent(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self._begun

    @property
    def left(self) -> float:
        """Seconds until then; negative after it."""
        return self.seconds - self.spent


def alternate(
    sides: Mapping[str, Side], repeats: int, warm_up: int = 0, deadline: Deadline | None = None
) -> dict[str, list[float]]:
    """Every side's measurements. The order turns round by round (AB BA AB), so that a drift touches all alike.

    Past the deadline no further round is begun; there is one at least.
    """
    raw: dict[str, list[float]] = {name: [] for name in sides}
    for repeat in range(-warm_up, repeats):
        if repeat > 0 and deadline is not None and deadline.left < 0:
            break
        for name in reversed(list(sides)) if repeat % 2 else list(sides):
            value = sides[name]()
            if repeat >= 0:
                raw[name].append(value)
    return raw


def timed(work: Callable[[], object], device: str = "cpu") -> Side:
    """Seconds of one call, the GPU's queue included."""

    def side() -> float:
        wait_for(device)
        start = time.perf_counter()
        work()
        wait_for(device)
        return time.perf_counter() - start

    return side


def wait_for(device: str) -> None:
    """Until a GPU has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


@contextlib.contextmanager
def threads(count: int) -> Iterator[None]:
    """This many torch threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def adding(function: Callable[..., Any], spent: dict[str, float], part: str) -> Callable[..., Any]:
    """The function, its time added to a part's."""

    @wraps(function)
    def wrapper(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            spent[part] += time.perf_counter() - start

    return wrapper
