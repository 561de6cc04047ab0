"""Batches in the order of their steps, made beside the training by other processes or between its steps."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils import data

from robustbench_seg.errors import RobustsegError
from robustbench_seg.evaluation.engines.start_method import ignoring_interrupts


def batches(make: Callable[[int], Any], steps: range, workers: int, device: torch.device) -> Iterator[Any]:
    """What `make` gives for each step, on the device; the same whatever the number of `workers`.

    A batch is moved by its `to(device)`; for a GPU it is pinned first, by its `pin_memory()`.
    """
    loader = data.DataLoader(
        _Batches(make),
        batch_size=None,
        sampler=steps,
        num_workers=workers,
        pin_memory=device.type == "cuda",
        collate_fn=_as_it_is,
        multiprocessing_context=_start_method() if workers else None,
        # Its own: the loader draws a number, which must not be one of the dropout's.
        generator=torch.Generator(),
    )
    with ignoring_interrupts(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        made = iter(loader)
    for batch in made:
        if isinstance(batch, RobustsegError):
            raise batch
        yield batch.to(device)


class _Batches(data.Dataset[Any]):
    """A batch by its step, or the error that it ends in."""

    def __init__(self, make: Callable[[int], Any]) -> None:
        self._make = make

    def __getitem__(self, step: int) -> Any:
        try:
            return self._make(step)
        except RobustsegError as error:
            # Returned: raised in a worker, its one line would come with the worker's traceback.
            return error


def _as_it_is(batch: Any) -> Any:
    return batch


def _start_method() -> str | None:
    """Forked where that is safe: what a data set has cached by then is shared."""
    return "fork" if sys.platform == "linux" else None
