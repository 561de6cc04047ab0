"""`robustseg compare`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robustbench_seg.cli.exit_codes import DONE, DOUBTED
from robustbench_seg.cli.options import load_plugins, plugin_option

if TYPE_CHECKING:
    from robustbench_seg.report.verdict import TaskVerdict


@click.command("compare")
@click.argument("a")
@click.argument("b")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of sentences and tables.")
@plugin_option
def compare_command(a: str, b: str, as_json: bool, plugins: tuple[str, ...]) -> None:
    """Say for every task whether model B retains more than model A, over the same images.

    Each is RUN, or RUN:MODEL where the run has several models; both may be of one run. Exit code 4 where a number of
    either should not be believed.
    """
    from robustbench_seg.errors import InputError
    from robustbench_seg.report.verdict import doubts, listed, shown_views, task_verdicts
    from robustbench_seg.results.contenders import contender, side_by_side, split
    from robustbench_seg.results.differences import compare
    from robustbench_seg.results.merge import merge

    load_plugins(plugins, [split(text)[0] for text in (a, b)])
    sides = contender(a), contender(b)
    runs, groups = side_by_side(*sides)
    views = shown_views(merge(runs, Path()).rows, [group.name for group in groups])
    compared = compare(runs, groups, [row for view in views for row in view.rows])
    tasks = task_verdicts(views, compared)
    if not tasks:
        raise InputError(f"A and B have no number in common on {', '.join(sides[0].datasets)}; evaluate both alike")
    doubted = doubts(tasks)
    if as_json:
        names = {"a": groups[0].name, "b": groups[1].name}
        told = {"tasks": [listed(task) for task in tasks], "doubts": doubted, "notes": compared.notes}
        click.echo(json.dumps({**names, **told}))
    else:
        _print(tasks, doubted, compared.notes)
    click.get_current_context().exit(DOUBTED if doubted else DONE)


def _print(tasks: Sequence[TaskVerdict], doubted: Mapping[str, Sequence[str]], notes: Sequence[str]) -> None:
    from rich.console import Console

    from robustbench_seg.report.cells import DOUBTED as SIGN
    from robustbench_seg.report.cells import NOT_BELIEVED
    from robustbench_seg.report.text import plain_tables
    from robustbench_seg.report.verdict import legend, verdict_table

    for task in tasks:
        click.echo(task.sentence)
    for model, checks in doubted.items():
        click.echo(f"{SIGN} {NOT_BELIEVED}: {model} ({', '.join(checks)})")
    console = Console()
    for table in plain_tables([verdict_table(task) for task in tasks], legend(tasks)):
        console.print(table)
    for note in notes:
        click.echo(f"note: {note}")
