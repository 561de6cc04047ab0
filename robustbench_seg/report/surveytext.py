"""What was seen of a data set, on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from robustbench_seg.checks.base import counted
from robustbench_seg.classes import ClassSet
from robustbench_seg.data.survey import DataSurvey, labelled
from robustbench_seg.registry import some
from robustbench_seg.tasks.surveys import ClassCount, Survey, percent

_BAR = 24
"""Columns of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_FAULTS = 5
"""So many files that cannot be read are named."""


def survey_blocks(found: DataSurvey) -> Iterator[RenderableType]:
    """What is there, what its labels hold, and what may be wrong."""
    yield _found(found)
    for key, task in labelled(found.dataset).items():
        survey = found.labels[key]
        yield Text.assemble("\n", (key, "bold"), f": {survey.summary}" if found.readable else ": nothing was read")
        if survey.classes and found.readable:
            yield _histogram(survey, found.dataset.class_set(task.name))
    yield Text()
    yield from _faults(found)


def _found(found: DataSurvey) -> Table:
    data = found.dataset
    table = Table.grid(padding=(0, 2))
    table.add_row(Text(data.name, style="bold"), Text(_split(found)))
    table.add_row("images", Text(_images(found)))
    table.add_row("sizes", Text(_sizes(found)))
    table.add_row("tasks", Text(", ".join(data.tasks)))
    for kind, source in data.sources().items():
        table.add_row(Text(kind), Text(source))
    return table


def _split(found: DataSurvey) -> str:
    data = found.dataset
    others = f" (of {', '.join(data.splits)})" if len(data.splits) > 1 else ""
    return f"split {data.split}{others}" if data.split else ""


def _images(found: DataSurvey) -> str:
    groups = len(set(found.dataset.groups))
    clips = f" in {counted(groups, 'clip')}" if groups < len(found.dataset) else ""
    seen = f", of which the first {found.seen} were read" if found.seen < len(found.dataset) else ""
    return f"{len(found.dataset)}{clips}{seen}"


def _sizes(found: DataSurvey) -> str:
    sizes = [f"{width} x {height}" for (height, width), _ in found.sizes.most_common()]
    if len(sizes) < 2:
        return "".join(sizes)
    counts = (f"{size} ({count})" for size, (_, count) in zip(sizes, found.sizes.most_common(), strict=True))
    return f"{len(sizes)}, width x height: {some(counts)}"


def _histogram(survey: Survey, classes: ClassSet) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    for head in (survey.unit, "share", "images"):
        table.add_column(head, justify="right")
    table.add_column("")
    total = sum(count.elements for count in survey.classes)
    most = max((count.elements for count in survey.classes), default=0)
    for count in survey.classes:
        share = count.elements / total if total else 0.0
        cells = (_short(count.elements), percent(share), str(count.images), _bar(count.elements, most))
        style = "" if count.elements else "dim"
        table.add_row(_name(count, classes), *(Text(cell) for cell in cells), style=style)
    return table


def _name(count: ClassCount, classes: ClassSet) -> Text:
    if count.name not in classes.names:
        return Text(count.name)
    red, green, blue = classes.palette[classes.names.index(count.name)]
    return Text.assemble(("■ ", f"rgb({red},{green},{blue})"), count.name)


def _bar(value: int, most: int) -> str:
    eighths = round(8 * _BAR * value / most) if most else 0
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _short(number: int) -> str:
    """Three digits: 12, 4.31k, 25.6M."""
    for factor, sign in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= factor:
            return f"{number / factor:#.3g}".rstrip(".") + sign
    return str(number)


def _faults(found: DataSurvey) -> Iterator[Text]:
    reasons: Sequence[str] = list(found.unreadable.values())
    for reason in reasons[:_FAULTS]:
        yield Text(f"✗ {reason}", style="red")
    if len(reasons) > _FAULTS:
        yield Text(f"✗ and {len(reasons) - _FAULTS} more that cannot be read", style="red")
    for note in found.notes:
        yield Text(f"! {note}", style="yellow")
    if not reasons and not found.notes:
        yield Text("✓ nothing looks wrong", style="green")
