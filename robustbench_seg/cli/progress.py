"""Progress: a bar on a terminal, a plain line now and then elsewhere, nothing for machines."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from robustbench_seg.harness.execute import Progress

_EVERY_S = 10.0


@contextlib.contextmanager
def progress_reporter(quiet: bool) -> Iterator[Callable[[Progress], None]]:
    """A function to call with each step of progress."""
    if quiet:
        yield lambda progress: None
    elif sys.stderr.isatty():
        with _bar() as report:
            yield report
    else:
        yield _lines()


@contextlib.contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("evaluating"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=None)
        yield lambda progress: bar.update(task, completed=progress.done, total=progress.total)


def _lines() -> Callable[[Progress], None]:
    last = [-_EVERY_S]

    def report(progress: Progress) -> None:
        now = time.monotonic()
        if now - last[0] < _EVERY_S and progress.done < progress.total:
            return
        last[0] = now
        click.echo(f"{progress.done}/{progress.total} units, {progress.seconds:.0f} s", err=True)

    return report
