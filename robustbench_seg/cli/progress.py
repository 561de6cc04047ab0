"""Progress: a bar on a terminal, a plain line now and then elsewhere, nothing for machines."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

    from robustbench_seg.evaluation.progress import Progress

_EVERY_S = 10.0


@contextlib.contextmanager
def progress_reporter(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A function to call with each step of an evaluation."""
    if quiet:
        yield lambda progress: None
        return
    # Not rich's own remaining time: it knows nothing of the estimate, and that batches may differ.
    with _reporter("evaluating", "batches") as report:
        yield lambda progress: report(progress.done, progress.total, _remaining(progress))


@contextlib.contextmanager
def training_progress() -> Iterator[Callable[[int, int, float], None]]:
    """A function to call with (steps done, steps, loss)."""
    from rich.progress import TimeRemainingColumn

    with _reporter("training", "steps", TimeRemainingColumn()) as report:
        yield lambda done, total, loss: report(done, total, f"loss {loss:.4f}")


@contextlib.contextmanager
def data_progress(quiet: bool) -> Iterator[Callable[[int, int], None]]:
    """A function to call with (images read, images)."""
    if quiet:
        yield lambda done, total: None
        return
    with _reporter("reading", "images", says_ends=False) as report:
        yield lambda done, total: report(done, total, "")


def duration(seconds: float) -> str:
    """A time in seconds, minutes or hours."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _remaining(progress: Progress) -> str:
    if progress.done == progress.total or progress.text:
        return progress.text
    return f"about {duration(progress.seconds_left)} left" if progress.seconds_left else "longer than estimated"


@contextlib.contextmanager
def _reporter(
    verb: str, noun: str, *columns: ProgressColumn, says_ends: bool = True
) -> Iterator[Callable[[int, int, str], None]]:
    if not sys.stderr.isatty():
        yield _lines(noun, says_ends)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    shown = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), *columns)
    bar = Progress(*shown, TextColumn("{task.description}"), console=Console(stderr=True))
    task = bar.add_task("", total=None)

    def report(done: int, total: int, text: str) -> None:
        bar.start()  # Not before: while it is shown it takes what is printed.
        bar.update(task, completed=done, total=total, description=text)

    try:
        yield report
    finally:
        bar.stop()


def _lines(noun: str, says_ends: bool) -> Callable[[int, int, str], None]:
    start = time.monotonic()
    last = [start - _EVERY_S if says_ends else start]

    def report(done: int, total: int, text: str) -> None:
        now = time.monotonic()
        if now - last[0] >= _EVERY_S or (says_ends and done == total):
            last[0] = now
            parts = (f"{done}/{total} {noun}", f"{now - start:.0f} s", text)
            click.echo(", ".join(part for part in parts if part), err=True)

    return report
