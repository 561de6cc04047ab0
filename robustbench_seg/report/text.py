"""The end-of-run summary on a terminal: Q by perturbation and epsilon, one table per model and task."""

from __future__ import annotations

from rich import box
from rich.table import Table
from rich.text import Text

from robustbench_seg.report.cells import DASH
from robustbench_seg.report.names import epsilon_text, metric_name, metric_text
from robustbench_seg.report.views import View, views
from robustbench_seg.results.rows import Row
from robustbench_seg.results.run import RunLike

_SHADES = ((0.9, "green"), (0.5, "yellow"), (0.0, "red"))
"""The style of a Q at or above a bound."""

_TERMINAL = 78
"""Columns a terminal has for sure."""
_NUMBER = 4
"""Columns a Q takes."""


def terminal_tables(run: RunLike) -> list[Table]:
    """Q of every perturbation (rows) at every epsilon (columns), a table for each data set, task and model."""
    tables = [_table(view, model) for view in views(run.rows) for model in view.models]
    if tables:
        tables[-1].caption = Text("Q is the retained share of the clean metric; columns are ε in units of 1/255")
    return tables


def _table(view: View, model: str) -> Table:
    mine = [row for row in view.perturbed if row.model == model]
    epsilons = sorted({row.epsilon for row in mine}, key=lambda epsilon: (epsilon is None, epsilon))
    title, heads = _title(view, model), [epsilon_text(epsilon) for epsilon in epsilons]
    table = Table(title=title, box=box.SIMPLE_HEAD, collapse_padding=True)
    table.title_justify = table.caption_justify = "left"
    taken = sum(2 + max(_NUMBER, len(head)) for head in heads)
    table.add_column("Q", overflow="fold", min_width=max(1, min(title.cell_len, _TERMINAL) - taken))
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    found = {(row.series, row.epsilon): row for row in mine}
    for row in sorted({row.series: row for row in mine}.values(), key=lambda row: not row.is_own):
        table.add_row(Text(view.labels[row.series]), *[_cell(found.get((row.series, e))) for e in epsilons])
    return table


def _title(view: View, model: str) -> Text:
    clean = view.clean(model)
    value = DASH if clean is None or clean.value is None else metric_text(view.task, view.metric, clean.value)
    return Text(
        f"{model} on {view.dataset}, {view.task}: clean {metric_name(view.task, view.metric)} {value}", style="bold"
    )


def _cell(row: Row | None) -> Text:
    if row is None:
        return Text("")
    if row.failed:
        return Text("failed", style="red")
    if row.ratio is None:
        return Text(DASH)
    return Text(f"{row.ratio:.2f}", style=next((style for bound, style in _SHADES if row.ratio >= bound), ""))
