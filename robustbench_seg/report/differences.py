"""The section of a comparison's page on differences between models: tables with verdicts, and figures over epsilon."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial

from matplotlib.figure import Figure

from robustbench_seg.report.cells import DASH, Cell, Line, Table, signed
from robustbench_seg.report.curves import AXES, NOTHING, Panel, Plot, Point
from robustbench_seg.report.curves import Line as Curve
from robustbench_seg.report.draw import figure
from robustbench_seg.report.scores import HALF_TITLE, TITLE, half_text, score_text
from robustbench_seg.report.section import Drawing, Material, Part, Section, drawn
from robustbench_seg.report.style import looks
from robustbench_seg.report.tables import by_epsilon, by_severity
from robustbench_seg.report.views import View
from robustbench_seg.results.differences import PAGE, Difference
from robustbench_seg.results.keys import CLEAN, severity_of
from robustbench_seg.results.names import images_text, metric_name, metric_of
from robustbench_seg.results.pair import RATIO
from robustbench_seg.results.rows import unique
from robustbench_seg.results.score import HALF_EPSILON, SCORE

_APART = 0.09
"""Octaves between the points of two pairs at one epsilon, so that their bars do not hide each other."""

_READING = (
    "Each row is one model, or group of trainings, against another one over the same images (B − A). The interval from "
    "images leaves out the same ones for both: an image that is hard for both leaves the difference alone, so models "
    "can be statistically distinguishable although their single intervals overlap."
)
_SEEDS = "The interval from seeds is a t interval of the difference of the means over trainings with other seeds."
_ONCE = "Every model was trained once here, so nothing is said of other trainings of the same recipe."
_CHANCE = (
    "A verdict is higher or lower, in plain numbers. Where nothing differs, one in twenty intervals excludes 0 all the "
    "same; so verdicts are corrected for the {} comparisons of this section (Holm: all of them hold together in 95 % "
    "of cases), and an interval may exclude 0 without one. Robustness scores are corrected among themselves, and so "
    "are the other metrics in differences.csv."
)
_FIGURE = (
    "Q of the second model minus that of the first, over the requested ε; above 0 the second retains more. Bands are "
    "95 % intervals from images, bars those from trainings with other seeds."
)


def section(material: Material) -> Sequence[Section]:
    """One part per task and data set; none where no two groups have a number in common."""
    compared = material.compared
    if compared is None or not compared.differences:
        return []
    shown = [(view, _of(view, compared.differences)) for view in material.views]
    drawings = [
        Drawing(f"{view.dataset}_{view.task}", f"{_title(view)}: {_FIGURE}", partial(_figure, view, mine))
        for view, mine in shown
    ]
    parts = [
        Part(view.title, files, _tables(view, mine))
        for (view, mine), files in zip(shown, drawn("d", drawings), strict=True)
        if mine
    ]
    several = [f"{group.name}: {', '.join(group.models)}" for group in compared.groups if len(group.models) > 1]
    count = sum(each.family == PAGE and each.p_value is not None for each in compared.differences)
    intro = (_READING, _SEEDS if several else _ONCE, _CHANCE.format(count))
    return [Section("differences", "Differences", "Paired differences", intro, parts, (*several, *compared.notes))]


def _of(view: View, differences: Sequence[Difference]) -> list[Difference]:
    place = (view.dataset, view.task, view.metric)
    return [each for each in differences if (each.dataset, each.task, each.metric) == place]


def _tables(view: View, differences: Sequence[Difference]) -> list[Table]:
    ratios = [each for each in differences if each.quantity == RATIO]
    pairs = [[each for each in ratios if each.pair == pair] for pair in unique([each.pair for each in ratios])]
    metric = metric_of(view.task, view.metric)
    unit = f" ({metric.unit})" if metric.unit else ""
    singles = (
        (f"{metric.title} on clean images{unit}", [each for each in differences if each.attack == CLEAN]),
        (TITLE, [each for each in differences if each.quantity == SCORE]),
        (f"{HALF_TITLE} of the worst case", [each for each in differences if each.quantity == HALF_EPSILON]),
    )
    tables = [_single_table(f"{caption}, {view.dataset}", numbers) for caption, numbers in singles if numbers]
    return [*tables, *(table for pair in pairs for table in _ratio_tables(view, pair))]


def _single_table(caption: str, differences: Sequence[Difference]) -> Table:
    """One row per pair: both numbers, their difference and the verdict."""
    lines = []
    for each in differences:
        text = half_text if each.quantity == HALF_EPSILON else score_text
        lines.append(Line(each.pair, "", (Cell(text(each.a)), Cell(text(each.b)), _amount(each), Cell(each.verdict))))
    caption += _over(differences)
    return Table(caption, "B − A", ("A", "B", "difference", "verdict"), tuple(lines))


def _ratio_tables(view: View, pair: Sequence[Difference]) -> Iterator[Table]:
    """ΔQ of one pair by perturbation and epsilon, and by corruption and severity."""
    a, b = max(each.seeds_a for each in pair), max(each.seeds_b for each in pair)
    trainings = f", means over {b} and {a} trainings" if max(a, b) > 1 else ""
    caption = f"{pair[0].pair} on {view.dataset}: ΔQ of {metric_name(view.task, view.metric)}{trainings}{_over(pair)}"
    graded = [each for each in pair if severity_of(each.attack) is not None]
    if bounded := [each for each in pair if each not in graded]:
        yield by_epsilon(caption, bounded, view.labels, _with_verdict)
    if graded:
        yield by_severity(caption, graded, _with_verdict)


def _with_verdict(difference: Difference | None) -> Cell:
    if difference is None:
        return Cell(DASH)
    cell = _amount(difference)
    return Cell(cell.main, (*cell.small, difference.verdict))


def _amount(difference: Difference) -> Cell:
    """The difference with the intervals that are there: `images [−0.012, +0.034]`."""
    bounds = [f"{name} [{signed(low)}, {signed(high)}]" for name, (low, high) in difference.intervals.items()]
    return Cell(signed(difference.difference), tuple(bounds) or ("no interval",))


def _over(differences: Sequence[Difference]) -> str:
    """`, n = 200 images`."""
    return f", {images_text([each.n_images for each in differences])}"


def _title(view: View) -> str:
    return f"{view.title}, differences of Q"


def _figure(view: View, differences: Sequence[Difference]) -> Figure | None:
    """One line per pair of groups, one panel per perturbation of the task; None where there is none over epsilon."""
    ratios = [each for each in differences if each.quantity == RATIO]
    styles = looks(unique([each.pair for each in ratios]))
    panels: dict[str, list[Curve]] = {}
    for series in dict.fromkeys(each.series for each in ratios if each.is_own and each.epsilon):
        for at, (pair, look) in enumerate(styles.items()):
            shift = 2.0 ** (_APART * (at - (len(styles) - 1) / 2))
            mine = [each for each in ratios if (each.series, each.pair) == (series, pair) and each.epsilon]
            points = sorted(_point(each, shift) for each in mine)
            panels.setdefault(view.labels[series], []).append(Curve(points, look))
    quantity = f"ΔQ (B − A) of {metric_name(view.task, view.metric)}"
    shown = [Panel(title, lines) for title, lines in panels.items()]
    return figure(Plot(_title(view), quantity, shown, styles, AXES[0], neutral=0.0)) if shown else None


def _point(difference: Difference, shift: float) -> Point:
    bounds = difference.intervals
    at = (difference.epsilon or math.nan) * shift
    return Point(at, difference.difference, bounds.get("images", NOTHING), bounds.get("seeds", NOTHING))
