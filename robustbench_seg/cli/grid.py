"""`robustseg train --grid`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustbench_seg.cli.options import parse_grid
from robustbench_seg.errors import UsageError

if TYPE_CHECKING:
    from robustbench_seg.training.grid import Combination, Row
    from robustbench_seg.training.place import Place
    from robustbench_seg.training.recipe import Recipe


def combinations_of(
    grids: Sequence[str], recipe_of: Callable[[Mapping[str, Any]], Recipe], given: Mapping[str, int | None]
) -> list[Combination]:
    """The combinations that `--grid` asks for; UsageError where one of its keys is `given` by an option too."""
    from robustbench_seg.training.grid import combinations

    grid = [parse_grid(text) for text in grids]
    for key, _ in grid:
        if given.get(key) is not None:
            raise UsageError(f"--grid {key} and --{key} are both given; give one")
    return combinations(grid, recipe_of)


def run_grid(
    found: Sequence[Combination],
    work: Path,
    out: Path | None,
    references: Sequence[str],
    place: Place,
    **roots: str | None,
) -> None:
    """Train all combinations and print their table; what is wrong with one is said before the first is trained."""
    from robustbench_seg.cli.progress import training_progress
    from robustbench_seg.evaluation.run import make_folder
    from robustbench_seg.training.grid import TABLE, read_references, refuse_grid, train_grid

    cards = read_references(references)
    refuse_grid(found, cards, **roots)
    make_folder(work)
    with training_progress() as report:
        rows = train_grid(found, work, out, references=cards, place=place, progress=report, **roots)
    _print(rows)
    click.echo(f"all metrics in {work / TABLE}")


def _print(rows: Sequence[Row]) -> None:
    """Each combination with its tasks' curve metrics, and with Δ and a mark on the best where they are known."""
    from rich.console import Console
    from rich.table import Table

    from robustbench_seg.results.names import curve_metric, metric_name, task_name
    from robustbench_seg.training.grid import best_of

    best = best_of(rows)
    tasks = list(dict.fromkeys(task for row in rows for task in row.metrics))
    heads = [f"{task_name(task)} {metric_name(task, curve_metric(task))}" for task in tasks]
    table = Table(*rows[0].combination.settings, *heads, *(["Δ, %", ""] if best else []), box=None, header_style="bold")
    for row in rows:
        settings = map(str, row.combination.settings.values())
        values = (_number(row.metrics.get(task, {}).get(curve_metric(task)), "{:.4f}") for task in tasks)
        gain = [_number(row.delta, "{:+.2f}"), "best" if row is best else ""] if best else []
        table.add_row(*settings, *values, *gain)
    Console().print(table)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
