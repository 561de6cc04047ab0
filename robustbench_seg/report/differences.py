"""The section of a comparison's page on differences between models: tables with verdicts, and figures over epsilon."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from robustbench_seg.report.canvas import png
from robustbench_seg.report.cells import DASH, Cell, Line, Table
from robustbench_seg.report.curves import AXES, NOTHING, Panel, Plot, Point
from robustbench_seg.report.curves import Line as Curve
from robustbench_seg.report.draw import figure
from robustbench_seg.report.figures import FigureFile, file_stems
from robustbench_seg.report.material import Material
from robustbench_seg.report.names import epsilon_text, metric_name, metric_of, norm_name
from robustbench_seg.report.section import Part, Section
from robustbench_seg.report.style import Look, looks
from robustbench_seg.report.views import View
from robustbench_seg.results.differences import Difference
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.pair import RATIO
from robustbench_seg.results.rows import unique

_APART = 0.09
"""Octaves between the points of two pairs at one epsilon, so that their bars do not hide each other."""

_READING = (
    "Each row is one model, or group of trainings, against another one over the same images (B − A). The interval from "
    "images resamples them, the same bootstrap samples for both: an image that is hard for both leaves the difference "
    "alone, so models can be statistically distinguishable although their single intervals overlap."
)
_SEEDS = "The interval from seeds is a t interval of the difference of the means over trainings with other seeds."
_ONCE = "Every model was trained once here, so nothing is said of other trainings of the same recipe."
_CHANCE = (
    "A verdict is higher or lower, in plain numbers, where every interval there is excludes 0. Where nothing differs, "
    "one in twenty intervals still does: differences.csv has {}, so single ones mean little."
)


def section(material: Material) -> Sequence[Section]:
    """One part per task and data set; none where no two groups have a number in common."""
    compared = material.compared
    if compared is None or not compared.differences:
        return []
    stems = file_stems([f"{view.dataset}_{view.task}" for view in material.views])
    parts = [_part(view, stem, compared.differences) for view, stem in zip(material.views, stems, strict=True)]
    several = [f"{group.name}: {', '.join(group.models)}" for group in compared.groups if len(group.models) > 1]
    intro = (_READING, _SEEDS if several else _ONCE, _CHANCE.format(len(compared.differences)))
    shown = [part for part in parts if part.tables]
    return [Section("differences", "Differences", "Paired differences", intro, shown, (*several, *compared.notes))]


def _part(view: View, stem: str, differences: Sequence[Difference]) -> Part:
    mine = [one for one in differences if (one.dataset, one.task, one.metric) == (view.dataset, view.task, view.metric)]
    pairs = [[one for one in mine if one.pair == name] for name in unique([one.pair for one in mine])]
    tables = [_clean_table(view, mine), *(_ratio_table(view, pair) for pair in pairs)]
    return Part(
        view.title, _figures(view, stem, [one for one in mine if one.quantity == RATIO]), [one for one in tables if one]
    )


def _clean_table(view: View, differences: Sequence[Difference]) -> Table | None:
    """One row per pair: both values on clean images, their difference and the verdict."""
    lines = [
        Line(one.pair, "", (Cell(f"{one.a:.3f}"), Cell(f"{one.b:.3f}"), _amount(one), Cell(one.verdict)))
        for one in differences
        if one.attack == CLEAN
    ]
    metric = metric_of(view.task, view.metric)
    unit = f" ({metric.unit})" if metric.unit else ""
    caption = f"{metric.title} on clean images{unit}, {view.dataset}"
    return Table(caption, "B − A", ("A", "B", "difference", "verdict"), tuple(lines)) if lines else None


def _ratio_table(view: View, pair: Sequence[Difference]) -> Table | None:
    """ΔQ of one pair by perturbation and epsilon; attacks on the task and noise come first."""
    ratios = [one for one in pair if one.quantity == RATIO]
    if not ratios:
        return None
    epsilons = sorted({one.epsilon for one in ratios}, key=lambda epsilon: (epsilon is None, epsilon))
    found = {(one.series, one.epsilon): one for one in ratios}
    ordered = sorted({one.series: one for one in ratios}.values(), key=lambda one: not one.is_own)
    lines = [
        Line(
            view.labels[one.series],
            norm_name(one.norm),
            tuple(_verdict(found.get((one.series, epsilon))) for epsilon in epsilons),
        )
        for one in ordered
    ]
    a, b = max(one.seeds_a for one in ratios), max(one.seeds_b for one in ratios)
    trainings = f", means over {b} and {a} trainings" if max(a, b) > 1 else ""
    caption = f"{ratios[0].pair} on {view.dataset}: ΔQ of {metric_name(view.task, view.metric)}{trainings}"
    return Table(caption, "ε in units of 1/255", tuple(map(epsilon_text, epsilons)), tuple(lines))


def _verdict(one: Difference | None) -> Cell:
    if one is None:
        return Cell(DASH)
    cell = _amount(one)
    return Cell(cell.main, (*cell.small, one.verdict))


def _amount(one: Difference) -> Cell:
    """The difference with the intervals that are there: `images [−0.012, +0.034]`."""
    bounds = [f"{name} [{_signed(low)}, {_signed(high)}]" for name, (low, high) in one.intervals.items()]
    return Cell(_signed(one.difference), tuple(bounds) or ("no interval",))


def _signed(value: float) -> str:
    """Three decimals with a sign, one digit of what is smaller, 0 for nothing at all."""
    shown = f"{value:+.3f}" if abs(value) >= 0.0005 else f"{value:+.1g}"
    return shown.replace("-", "−") if value else "0"


def _figures(view: View, stem: str, ratios: Sequence[Difference]) -> list[FigureFile]:
    drawn = [one for one in ratios if one.is_own and one.epsilon]
    if not drawn:
        return []
    plot = _plot(view, drawn, looks(unique([one.pair for one in ratios])))
    caption = (
        f"{plot.title}: Q of the second model minus that of the first, over the requested ε; above 0 the second "
        "retains more. Bands are 95 % intervals from resampling the images, bars those from trainings with other seeds."
    )
    return [FigureFile(f"d_{stem}.png", (view.dataset, view.task), caption, png(lambda: figure(plot)) or b"")]


def _plot(view: View, differences: Sequence[Difference], styles: Mapping[str, Look]) -> Plot:
    """One line per pair of groups, one panel per perturbation of the task."""
    panels = [
        Panel(view.labels[series], _lines([one for one in differences if one.series == series], styles))
        for series in dict.fromkeys(one.series for one in differences)
    ]
    name = metric_name(view.task, view.metric)
    return Plot(f"{view.title}, differences of Q", f"ΔQ (B − A) of {name}", panels, styles, AXES[0], neutral=0.0)


def _lines(differences: Sequence[Difference], styles: Mapping[str, Look]) -> list[Curve]:
    lines = []
    for at, (name, look) in enumerate(styles.items()):
        shift = 2.0 ** (_APART * (at - (len(styles) - 1) / 2))
        mine = sorted((one for one in differences if one.pair == name), key=lambda one: one.epsilon or math.nan)
        lines.append(Curve([_point(one, shift) for one in mine], look))
    return lines


def _point(one: Difference, shift: float) -> Point:
    bounds = one.intervals
    at = (one.epsilon or math.nan) * shift
    return Point(at, one.difference, bounds.get("images", NOTHING), bounds.get("seeds", NOTHING))
