"""The section of a comparison's page on differences: sentences, figures and tables by task and data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustbench_seg.report.canvas import png
from robustbench_seg.report.cells import DASH, Cell, Line, Table
from robustbench_seg.report.differences.figure import difference_figure
from robustbench_seg.report.differences.sentences import sentences
from robustbench_seg.report.differences.wording import amount, intervals, listed, pair_name
from robustbench_seg.report.figures import FigureFile, file_stems
from robustbench_seg.report.names import NORMS, epsilon_text, metric_name, task_name
from robustbench_seg.report.views import View
from robustbench_seg.results.differences import OPEN, Comparison, Difference
from robustbench_seg.results.pair import RATIO
from robustbench_seg.results.rows import unique


@dataclass(frozen=True)
class Part:
    """One task on one data set."""

    title: str
    sentences: Sequence[str]
    figures: Sequence[FigureFile]
    tables: Sequence[Table]


@dataclass(frozen=True)
class DifferencesSection:
    """All parts, what was trained several times, and what the reader has to know of the intervals."""

    parts: Sequence[Part]
    groups: Sequence[str]
    notes: Sequence[str]
    count: int

    @property
    def figures(self) -> list[FigureFile]:
        """The figures of all parts."""
        return [figure for part in self.parts for figure in part.figures]


def section(views: Sequence[View], compared: Comparison) -> DifferencesSection | None:
    """The section; None where no two groups have a number in common."""
    stems = file_stems([f"{view.dataset}_{view.task}" for view in views])
    parts = [_part(view, stem, _of(view, compared)) for view, stem in zip(views, stems, strict=True)]
    shown = [part for part in parts if part.sentences]
    several = [group for group in compared.groups if len(group.models) > 1]
    groups = [f"{group.name}: {listed(group.models)}" for group in several]
    return DifferencesSection(shown, groups, compared.notes, len(compared.differences)) if shown else None


def _of(view: View, compared: Comparison) -> list[Difference]:
    """The differences of the metric that the view is of."""
    place = view.dataset, view.task, view.metric
    return [one for one in compared.differences if (one.dataset, one.task, one.metric) == place]


def _part(view: View, stem: str, found: Sequence[Difference]) -> Part:
    pairs = [[one for one in found if pair_name(one) == name] for name in unique([pair_name(one) for one in found])]
    return Part(
        f"{task_name(view.task).capitalize()} on {view.dataset}",
        [sentence for pair in pairs for sentence in sentences(view, pair)],
        _figures(view, stem, [one for one in found if one.quantity == RATIO]),
        [table for pair in pairs if (table := _table(view, pair))],
    )


def _figures(view: View, stem: str, ratios: Sequence[Difference]) -> list[FigureFile]:
    picture = png(lambda: difference_figure(view, ratios))
    caption = (
        f"Q of {metric_name(view.metric)} ({task_name(view.task)} on {view.dataset}) of the second model minus that of "
        "the first, over the requested ε: above 0 the second keeps more. Bands are 95 % intervals from resampling the "
        "images, bars those from trainings with other seeds."
    )
    return [FigureFile(f"d_{stem}.png", (view.dataset, view.task), caption, picture)] if picture else []


def _table(view: View, pair: Sequence[Difference]) -> Table | None:
    """ΔQ of one pair by perturbation and radius; attacks on the task and noise come first."""
    ratios = [one for one in pair if one.quantity == RATIO]
    epsilons = sorted({one.epsilon for one in ratios}, key=lambda epsilon: (epsilon is None, epsilon))
    found = {(one.series, one.epsilon): one for one in ratios}
    ordered = sorted({one.series: one for one in ratios}.values(), key=lambda one: not one.is_own)
    lines = [
        Line(
            view.labels[one.series],
            NORMS.get(one.norm, one.norm),
            tuple(_cell(found.get((one.series, epsilon))) for epsilon in epsilons),
        )
        for one in ordered
    ]
    if not lines:
        return None
    caption = f"{pair_name(ratios[0])} on {view.dataset}: ΔQ of {metric_name(view.metric)}{_trainings(ratios)}"
    return Table(caption, "ε in grey values", tuple(map(epsilon_text, epsilons)), tuple(lines))


def _trainings(found: Sequence[Difference]) -> str:
    """How many trainings are behind each mean, where they are several."""
    a, b = max(one.seeds_a for one in found), max(one.seeds_b for one in found)
    return f", means over {b} and {a} trainings" if max(a, b) > 1 else ""


def _cell(one: Difference | None) -> Cell:
    if one is None:
        return Cell(DASH)
    verdict = () if one.verdict == OPEN else (one.verdict,)
    return Cell(amount(one), (*intervals(one), *verdict))
