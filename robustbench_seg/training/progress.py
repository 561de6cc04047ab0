"""Progress of a training run: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from robustbench_seg.training.loop import Progress as Report

_LINES = 50
"""How many plain lines a whole run prints."""


@contextmanager
def reporting(name: str, console: Console | None = None) -> Iterator[Report]:
    """A callback for `train` that shows steps, the remaining time and the loss on `console` (stderr)."""
    shown = console or Console(stderr=True)
    if not shown.is_terminal:
        yield _lines(name, shown)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.3f}"), console=shown) as bar:
        task = bar.add_task(name, total=None, loss=0.0)

        def report(step: int, steps: int, loss: float) -> None:
            bar.update(task, completed=step, total=steps, loss=loss)

        yield report


def _lines(name: str, console: Console) -> Report:
    def report(step: int, steps: int, loss: float) -> None:
        if step % max(1, steps // _LINES) == 0 or step == steps:
            console.print(f"{name}: step {step}/{steps}, loss {loss:.4f}", highlight=False, soft_wrap=True)

    return report
