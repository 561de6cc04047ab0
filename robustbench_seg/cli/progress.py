"""Progress: a bar on a terminal, a plain line now and then elsewhere, nothing for machines."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from robustbench_seg.evaluation.run import Progress

_EVERY_S = 10.0


@contextlib.contextmanager
def progress_reporter(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A function to call with each step of an evaluation."""
    if quiet:
        yield lambda progress: None
        return
    with _reporter("evaluating", "batches") as report:
        yield lambda progress: report(progress.done, progress.total, progress.text)


@contextlib.contextmanager
def training_progress() -> Iterator[Callable[[int, int, float], None]]:
    """A function to call with (steps done, steps, loss)."""
    with _reporter("training", "steps") as report:
        yield lambda done, total, loss: report(done, total, f"loss {loss:.4f}")


@contextlib.contextmanager
def _reporter(verb: str, noun: str) -> Iterator[Callable[[int, int, str], None]]:
    if not sys.stderr.isatty():
        yield _lines(noun)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, text: bar.update(task, completed=done, total=total, description=text)


def _lines(noun: str) -> Callable[[int, int, str], None]:
    start = time.monotonic()
    last = [start - _EVERY_S]

    def report(done: int, total: int, text: str) -> None:
        now = time.monotonic()
        if now - last[0] >= _EVERY_S or done == total:
            last[0] = now
            click.echo(f"{done}/{total} {noun}, {now - start:.0f} s {text}".rstrip(), err=True)

    return report
