"""The end-of-run summary on a terminal: Q by perturbation and epsilon, one table per model and task, and targets."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from robustbench_seg.report.cells import DASH, DOUBTED, NOT_BELIEVED, Cell
from robustbench_seg.report.cells import Table as Shown
from robustbench_seg.report.corruptions import severity_table
from robustbench_seg.report.outcomes import Outcome, outcomes
from robustbench_seg.report.scores import MEANING, TITLE, score_lines
from robustbench_seg.report.tables import by_epsilon, pivot
from robustbench_seg.report.views import View, views
from robustbench_seg.results.findings import Finding
from robustbench_seg.results.names import images_text, labels, metric_name, metric_text, short_task_name
from robustbench_seg.results.rows import Row, ScoreRow
from robustbench_seg.results.run import Run

_SHADES = ((0.9, "green"), (0.5, "yellow"), (0.0, "red"))
"""The style of a Q at or above a bound."""

_TERMINAL = 78
"""Columns a terminal has for sure."""
_NUMBER = 4
"""Columns a Q takes."""


def terminal_tables(run: Run) -> list[Table]:
    """Q of every perturbation (rows) at every epsilon (columns), a table for each data set, task and model.

    Corruptions stand by severity in tables of their own. Then what became of the targets of attacks that have some, a
    table for each data set and model; then the scores.
    """
    shown = views(run.rows)
    tables = [
        _table("Q", _title(view, model, view.perturbed), pivot(view, model, _cell))
        for view in shown
        for model in view.models
        if view.perturbed or not view.graded
    ]
    if tables:
        caption = "Q is the retained share of the clean metric; columns are ε in units of 1/255"
        marked = f"\n{DOUBTED} {NOT_BELIEVED}, see below" if any(row.doubts for row in run.rows) else ""
        tables[-1].caption = Text(caption + marked)
    return [*tables, *_corruption_tables(run, shown), *_target_tables(run.rows), *_score_tables(run.score_rows)]


def _corruption_tables(run: Run, shown: Sequence[View]) -> list[Table]:
    """Q of every corruption (rows) at every severity (columns), with the means and CE."""
    tables = [
        _table("corruption", _title(view, model, view.graded), severity_table(view, model, run.corruption_rows, _cell))
        for view in shown
        for model in view.models
        if view.graded
    ]
    if tables:
        tables[-1].caption = Text("Q by severity; CE: errors over severities in % of the baseline's, the first model")
    return tables


def _score_tables(rows: Sequence[ScoreRow]) -> list[Table]:
    """One table of all scores where there are some."""
    if not rows:
        return []
    table = _table("worst case", Text(TITLE, style="bold"), score_lines(rows))
    table.caption = Text(MEANING)
    return [table]


def _target_tables(rows: Sequence[Row]) -> list[Table]:
    """Shares of targets in per cent, `changed/reached`."""
    reached = outcomes(rows)
    changed = [outcome.changed for outcome in reached.values()]
    names = labels(changed, in_full=True)

    def cell(row: Row | None) -> Cell:
        return Cell("") if row is None else Cell(_shares(reached[row.key]))

    tables = []
    for model, dataset in dict.fromkeys((row.model, row.dataset) for row in changed):
        mine = [row for row in changed if (row.model, row.dataset) == (model, dataset)]
        title = Text(f"{model} on {dataset}, targets in %: changed/reached", style="bold")
        tables.append(_table("targets", title, by_epsilon("", mine, names, cell)))
    if tables:
        tables[-1].caption = Text("changed: no longer what they were; reached: became what the attack wanted")
    return tables


def _shares(outcome: Outcome) -> str:
    if outcome.changed.failed:
        return "failed"
    return "/".join(DASH if share is None else f"{100 * share:.0f}" for share in outcome.shares)


def plain_tables(tables: Sequence[Shown], legend: str) -> list[Table]:
    """Tables under their captions, with a legend under the last one."""
    made = [_table(shown.corner, Text(shown.caption, style="bold"), shown) for shown in tables]
    if made:
        made[-1].caption = Text(legend)
    return made


def _table(corner: str, title: Text, shown: Shown) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, collapse_padding=True)
    table.title_justify = table.caption_justify = "left"
    taken = sum(2 + max(_NUMBER, len(head)) for head in shown.heads)
    table.add_column(corner, overflow="fold", min_width=max(1, min(title.cell_len, _TERMINAL) - taken))
    for head in shown.heads:
        table.add_column(head, justify="right", no_wrap=True)
    for line in shown.lines:
        table.add_row(Text(line.label), *(Text(cell.main, style=_style(cell.shade)) for cell in line.cells))
    return table


def _title(view: View, model: str, rows: Sequence[Row]) -> Text:
    clean = view.clean(model)
    value = DASH if clean is None or clean.value is None else metric_text(view.task, view.metric, clean.value)
    number = f"clean {metric_name(view.task, view.metric)} {value}"
    over = images_text([row.n_images for row in rows if row.model == model])
    return Text(f"{model} on {view.dataset}, {short_task_name(view.task)}: {number}, {over}", style="bold")


def _cell(row: Row | None) -> Cell:
    if row is None:
        return Cell("")
    if row.failed:
        return Cell("failed", shade=0.0)
    sign = DOUBTED if row.doubts else ""
    return Cell(DASH) if row.ratio is None else Cell(f"{sign}{row.ratio:.2f}", shade=0.0 if sign else row.ratio)


def finding_line(finding: Finding) -> str:
    """What a check found; where something is wrong also its name and what to try."""
    advice = f" To try: {finding.advice}." if finding.is_wrong and finding.advice else ""
    name = f" ({finding.check})" if finding.is_wrong else ""
    return f"{finding.icon} {finding.title}{name}: {finding.text}{advice}"


def _style(ratio: float | None) -> str:
    return "" if ratio is None else next((style for bound, style in _SHADES if ratio >= bound), "")
