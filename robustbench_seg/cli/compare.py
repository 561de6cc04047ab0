"""`robustseg compare`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from robustbench_seg.cli.options import load_plugins, plugin_option


@click.command("compare")
@click.argument("a")
@click.argument("b")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of sentences and tables.")
@plugin_option
def compare_command(a: str, b: str, as_json: bool, plugins: tuple[str, ...]) -> None:
    """Say for every task whether model B retains more than model A, over the same images.

    Each is RUN, or RUN:MODEL where the run has several models; both may be of one run.
    """
    from rich.console import Console

    from robustbench_seg.errors import InputError
    from robustbench_seg.report.text import plain_tables
    from robustbench_seg.report.verdict import legend, listed, shown_views, task_verdicts, verdict_table
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
    if as_json:
        names = {"a": groups[0].name, "b": groups[1].name}
        click.echo(json.dumps({**names, "tasks": [listed(task) for task in tasks], "notes": compared.notes}))
        return
    for task in tasks:
        click.echo(task.sentence)
    console = Console()
    for table in plain_tables([verdict_table(task) for task in tasks], legend(tasks)):
        console.print(table)
    for note in compared.notes:
        click.echo(f"note: {note}")
