"""The figures of the page: which there are, their files and captions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from matplotlib.figure import Figure

from robustbench_seg.report.canvas import png
from robustbench_seg.report.figures import FigureFile, file_stems
from robustbench_seg.report.names import ATTACKS, epsilon_text
from robustbench_seg.report.relationships.agreement import norm_pairs, radius_figure
from robustbench_seg.report.relationships.bars import bars_figure
from robustbench_seg.report.relationships.graph import THRESHOLD, graph_figure
from robustbench_seg.report.relationships.heat import heat_figure
from robustbench_seg.report.relationships.matrix import Family, Matrix, leading
from robustbench_seg.report.relationships.shapes import swap_figure
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.relationships.swapping import Swap

Maker = Callable[[], Figure | None]
Place = tuple[str, str]
"""What a figure is about: model and data set, then the attack or the swap."""


def heat_files(study: Study) -> list[FigureFile]:
    """A heat map a setting that attacks more than one objective."""
    chosen = [family.chosen for family in study.families if len(family.chosen.objectives) > 1]
    text = "What is left of each task (columns) under each attacked loss (rows), with its 95 % interval; framed: the"
    makers = [partial(heat_figure, (one,), one.setting.where + ": " + one.setting.how) for one in chosen]
    return _files("matrix", chosen, makers, f"{text} task itself is attacked")


def bar_files(study: Study) -> list[FigureFile]:
    """Grouped bars, for the foremost attack on each model and data set."""
    chosen = [family.chosen for family in leading(study.families) if len(family.chosen.objectives) > 1]
    text = "Metric ratio of each task by the loss attacked, with its 95 % interval"
    return _files("bars", chosen, [partial(bars_figure, one) for one in chosen], text)


def graph_files(study: Study) -> list[FigureFile]:
    """The directed graph of the foremost attack on each model and data set."""
    chosen = [family.chosen for family in leading(study.families)]
    text = (
        "An arrow from A to B, as wide as its number: the share of B's clean performance that is lost when A is "
        f"attacked by its own loss; shares below {100 * THRESHOLD:.0f} % are not drawn. Blue: semantic, orange: "
        "geometric, grey: neither"
    )
    return _files("influence", chosen, [partial(graph_figure, one) for one in chosen], text)


def norm_files(study: Study) -> list[FigureFile]:
    """Two norms side by side."""
    pairs = norm_pairs(study.families)
    makers = [partial(heat_figure, pair, f"{pair[0].setting.where}: {_attack(pair[0])}") for pair in pairs]
    return _files("norms", [second for _, second in pairs], makers, "Two norms side by side, what is left of each task")


def _attack(matrix: Matrix) -> str:
    return ATTACKS.get(matrix.setting.attack, matrix.setting.attack)


def swap_files(swaps: Sequence[Swap]) -> list[FigureFile]:
    """Bars before and after, a figure a swap."""
    names = ["_".join((*one.setting, one.target, *one.labels, _radius(one))) for one in swaps]
    places = [(one.setting.where, one.title) for one in swaps]
    captions = [f"{one.title}. Both classes before and after the swap." for one in swaps]
    return _drawn("swap", places, names, [partial(swap_figure, one) for one in swaps], captions)


def _radius(swap: Swap) -> str:
    return "unbounded" if swap.epsilon is None else epsilon_text(swap.epsilon)


def radius_files(families: Sequence[Family]) -> list[FigureFile]:
    """One figure on the agreement over the radius."""
    caption = "Rank correlation of the matrix at each ε with that at the reference, over tasks that were not attacked."
    return _drawn("agreement", [("", "")], ["epsilon"], [partial(radius_figure, families)], [caption])


def _files(kind: str, matrices: Sequence[Matrix], makers: Sequence[Maker], text: str) -> list[FigureFile]:
    captions = [f"{m.setting.where}, {m.setting.at(m.epsilon)}. {text}." for m in matrices]
    places = [(m.setting.where, m.setting.how) for m in matrices]
    return _drawn(kind, places, ["_".join(m.setting) for m in matrices], makers, captions)


def _drawn(
    kind: str, places: Sequence[Place], names: Sequence[str], makers: Sequence[Maker], captions: Sequence[str]
) -> list[FigureFile]:
    """The files of figures that have something to draw; their names tell them apart, `places` say where they stand."""
    files = []
    for place, stem, make, caption in zip(places, file_stems(names), makers, captions, strict=True):
        picture = png(make)
        if picture is not None:
            files.append(FigureFile(f"relationships_{kind}_{stem}.png", place, caption, picture))
    return files
