"""Two models against each other: for every task a sentence that says which retains more, and a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from robustbench_seg.report.cells import Cell, Line, Table, signed
from robustbench_seg.report.scores import HALF_TITLE, MEANING, TITLE, half_text, score_text
from robustbench_seg.report.views import View, views
from robustbench_seg.results.differences import PAGE, Comparison, Difference
from robustbench_seg.results.findings import doubts_of
from robustbench_seg.results.intervals import OPEN
from robustbench_seg.results.keys import CLEAN, WORST
from robustbench_seg.results.names import epsilon_text, metric_of, short_task_name
from robustbench_seg.results.pair import RATIO
from robustbench_seg.results.rows import Row, Series, unique
from robustbench_seg.results.score import HALF_EPSILON, SCORE

_RETAINS = {"higher": "more", "lower": "less"}
_RELATIONS = {verdict: f"retains {word} than" for verdict, word in _RETAINS.items()} | {OPEN: f"is {OPEN} from"}
_QUANTITIES = (SCORE, HALF_EPSILON, RATIO)
_FAMILIES = {SCORE: "scores", HALF_EPSILON: HALF_TITLE, PAGE: "Q and clean metrics"}
_LEGEND = "Q is the retained share of the clean metric; ε is in units of 1/255."


@dataclass(frozen=True)
class TaskVerdict:
    """What is shown of one task on one data set: the clean metric, the numbers of the worst-case curve, then each Q."""

    view: View
    differences: Sequence[Difference]

    @property
    def title(self) -> str:
        """The task and the data set."""
        return f"{short_task_name(self.view.task)} on {self.view.dataset}"

    @property
    def sentence(self) -> str:
        """Say which model retains more: by the robustness score, or without one by counting verdicts."""
        score = next((each for each in self.differences if each.quantity == SCORE), None)
        return f"{self.title}: {self._counted() if score is None else _scored(score)}."

    def _counted(self) -> str:
        ratios = [each for each in self.differences if each.quantity == RATIO]
        if not ratios:
            return "no perturbation in common"
        counts = Counter(each.verdict for each in ratios)
        retained = " and ".join(f"{word} in {counts[verdict]}" for verdict, word in _RETAINS.items())
        others = [f"{verdict} in {count}" for verdict, count in counts.items() if verdict not in _RETAINS]
        said = f"of {len(ratios)} values of Q, B ({ratios[0].second}) retains {retained} than A ({ratios[0].first})"
        return "; ".join([said, *others, "no robustness score"])


def shown_views(rows: Sequence[Row], models: Sequence[str]) -> list[View]:
    """The rows of these models that are shown of every task that all have, with a row of each in every cell.

    The clean metric, and the worst case of the task; every perturbation of the task where no worst case is shared.
    """
    found = []
    for view in views([row for row in rows if row.model in models]):
        owners: dict[object, set[str]] = {}
        for row in view.rows:
            owners.setdefault((row.series, row.epsilon), set()).add(row.model)
        common = [row for row in view.rows if len(owners[row.series, row.epsilon]) == len(models)]
        own = [row for row in common if row.attack != CLEAN and row.is_own and row.epsilon != 0]
        worst = [row for row in own if row.attack == WORST]
        clean = [row for row in common if row.attack == CLEAN]
        found.append(replace(view, rows=(*clean, *(worst or own))))
    return [view for view in found if view.rows]


def task_verdicts(views: Sequence[View], compared: Comparison) -> list[TaskVerdict]:
    """The differences in the metric that each view shows: clean, then of the curve, then Q; none without any."""
    found = []
    for view in views:
        place = view.dataset, view.task, view.metric
        mine = [each for each in compared.differences if (each.dataset, each.task, each.metric) == place]
        clean = [each for each in mine if each.attack == CLEAN]
        others = [each for quantity in _QUANTITIES for each in mine if each.quantity == quantity]
        found.append(TaskVerdict(view, [*clean, *others]))
    return [verdict for verdict in found if verdict.differences]


def verdict_table(shown: TaskVerdict) -> Table:
    """One row per number: both models, the difference with its interval, and the verdict."""
    lines = [
        Line(
            _name(each, shown.view.labels),
            "",
            (
                Cell(_text(each, each.a)),
                Cell(_text(each, each.b)),
                Cell(_amount(each)),
                Cell(each.verdict.removeprefix("statistically ")),
            ),
        )
        for each in shown.differences
    ]
    names = list(shown.view.labels.values())
    caption = f"{shown.title}, {names[0]}" if len(names) == 1 else shown.title
    return Table(caption, "", ("A", "B", "B − A", "verdict"), tuple(lines))


def legend(shown: Sequence[TaskVerdict]) -> str:
    """What the numbers in the tables are, and for how many comparisons the verdicts are corrected."""
    tested = [each for verdict in shown for each in verdict.differences if each.p_value is not None]
    families = Counter(_FAMILIES.get(each.family, "others") for each in tested)
    counts = ", ".join(f"{name}: {count}" for name, count in families.items())
    corrected = f"Verdicts are corrected for how many there are (Holm; {counts}), intervals are not." if tested else ""
    has_score = any(each.quantity == SCORE for verdict in shown for each in verdict.differences)
    return " ".join(filter(None, (_LEGEND, MEANING if has_score else "", corrected)))


def doubts(shown: Sequence[TaskVerdict]) -> dict[str, list[str]]:
    """The checks by which a number in the tables should not be believed, by model; models without any are left out."""
    rows = [row for verdict in shown for row in verdict.view.rows]
    found = {model: doubts_of(row for row in rows if row.model == model) for model in unique([r.model for r in rows])}
    return {model: checks for model, checks in found.items() if checks}


def listed(shown: TaskVerdict) -> dict[str, Any]:
    """The sentence and the differences as plain values, for machines."""
    differences = [asdict(each) | {"verdict": each.verdict} for each in shown.differences]
    return {"sentence": shown.sentence, "differences": differences}


def _scored(score: Difference) -> str:
    relation = _RELATIONS.get(score.verdict, f"has no verdict, {score.verdict}, against")
    scores = f"score {score_text(score.b)} against {score_text(score.a)}, difference {_amount(score)}"
    said = f"under the worst case B ({score.second}) {relation} A ({score.first})"
    return f"{said}: {scores}, {score.n_images} images"


def _name(difference: Difference, labels: Mapping[Series, str]) -> str:
    names = {SCORE: TITLE.lower(), HALF_EPSILON: HALF_TITLE}
    if difference.quantity in names:
        return names[difference.quantity]
    if difference.attack == CLEAN:
        metric = metric_of(difference.task, difference.metric)
        return f"clean {metric.title}" + (f" ({metric.unit})" if metric.unit else "")
    # Where one perturbation is shown the caption names it.
    label = "Q" if len(labels) == 1 else f"Q, {labels[difference.series]}"
    return label if difference.epsilon is None else f"{label} at ε = {epsilon_text(difference.epsilon)}"


def _text(difference: Difference, value: float) -> str:
    return half_text(value) if difference.quantity == HALF_EPSILON else f"{value:.3f}"


def _amount(difference: Difference) -> str:
    """The difference with its interval: `−0.012 [−0.032, +0.007]`."""
    return " ".join((signed(difference.difference), *map(_bracket, difference.intervals.values())))


def _bracket(interval: tuple[float, float]) -> str:
    return f"[{', '.join(map(signed, interval))}]"
