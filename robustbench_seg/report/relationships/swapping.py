"""What swapping two classes does to them: precision, losses and, for boxes, their shapes (UniNet 2021, figure 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from robustbench_seg.classes import canonical
from robustbench_seg.report.cells import DASH, Cell, Line, Table, empty, ratio_cell
from robustbench_seg.report.names import class_metric_name, metric_text, task_name
from robustbench_seg.report.relationships.contrast import Draws, Estimate, key
from robustbench_seg.report.relationships.effects import whole
from robustbench_seg.report.relationships.matrix import Setting
from robustbench_seg.results.rows import Row

SHAPE = "aspect_ratio"
METRICS = ("miou", "ap", "cls_loss", "reg_loss", SHAPE)
"""What is shown of a swapped class, where it was measured."""


@dataclass(frozen=True)
class Swap:
    """Two classes swapped in one task's output: a row of classes.csv for (class, metric) of that task."""

    setting: Setting
    epsilon: float | None
    objective: str
    cells: Mapping[tuple[str, str], Row]

    @property
    def target(self) -> str:
        """The task attacked."""
        return self.objective.partition("@")[2]

    @property
    def labels(self) -> tuple[str, str]:
        """The two classes, as the objective calls them."""
        return _labels(self.objective)

    @property
    def title(self) -> str:
        """Where, what and how."""
        pair = " ↔ ".join(self.labels)
        return f"{self.setting.where}: {pair} in {task_name(self.target)}, {self.setting.at(self.epsilon)}"

    @property
    def metrics(self) -> list[str]:
        """The metrics that were measured of both classes, in their usual order."""
        return [name for name in METRICS if all((label, name) in self.cells for label in self.labels)]


def swaps(class_rows: Iterable[Row]) -> list[Swap]:
    """Every setting, radius, pair of classes and attacked task, in the order of the run."""
    found: dict[tuple[Setting, float | None, str], dict[tuple[str, str], Row]] = {}
    for row in class_rows:
        if row.objective.startswith("swap:") and row.task == row.aim and row.metric in METRICS:
            place = (Setting(row.model, row.dataset, row.attack, row.norm), row.epsilon, row.objective)
            for label in _labels(row.objective):
                if canonical(label) == canonical(row.label):
                    found.setdefault(place, {})[label, row.metric] = whole(row)
    return [Swap(*place, cells) for place, cells in found.items()]


def _labels(objective: str) -> tuple[str, str]:
    pair = objective.removeprefix("swap:").partition("@")[0]
    first, _, second = pair.partition(",")
    return first, second


def swap_table(swap: Swap) -> Table:
    """Before and after of each class and metric."""
    lines = [
        Line(label, class_metric_name(metric), _cells(swap.cells[label, metric]))
        for metric in swap.metrics
        for label in swap.labels
    ]
    return Table(swap.title, "class", ("before", "after", "ratio"), tuple(lines))


def shape_keys(swap: Swap) -> list[Row]:
    """The rows whose resamples say how sure the shapes are."""
    return [row for (_, metric), row in swap.cells.items() if metric == SHAPE and row.value is not None]


@dataclass(frozen=True)
class Shape:
    """Mean width / height of the boxes labelled as one class, before and after; `sign` says what became of it.

    1: it stays clearly on its own side of the middle between the two classes' shapes before, so what was swapped took
    the shape of its new class along; -1: it lies clearly on the other class's side, as if labels alone had changed.
    """

    label: str
    before: float
    after: Estimate
    sign: int

    def text(self) -> str:
        """`person 0.45 before and 0.64 [0.60, 0.68] after`."""
        low, high = self.after.low, self.after.high
        interval = "(no interval)" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"
        return f"{self.label} {self.before:.3f} before and {self.after.value:.3f} {interval} after"


def shapes(swap: Swap, draws: Draws) -> list[Shape]:
    """The shapes of both classes (UniNet 2021, figure 5d); nothing where one of them has no box or they are equal."""
    rows = [swap.cells.get((label, SHAPE)) for label in swap.labels]
    known = [row for row in rows if row is not None and row.clean is not None and row.value is not None]
    middle = sum(row.clean or 0.0 for row in known) / 2
    if len(known) < len(rows) or known[0].clean == known[1].clean:
        return []
    found = []
    for label, row in zip(swap.labels, known, strict=True):
        after, before = _after(row, draws), row.clean or 0.0
        found.append(Shape(label, before, after, _side(after, middle) * (1 if before > middle else -1)))
    return found


def shape_sentence(swap: Swap, draws: Draws, outcomes: Sequence[Row] = ()) -> str:
    """Whether shapes swapped along with the classes; empty where shapes were not measured.

    `draws` has the resampled shapes where the run has its store, `outcomes` are rows of `targets_reached`.
    """
    if any((label, SHAPE) not in swap.cells for label in swap.labels):
        return ""
    start = f"{' ↔ '.join(swap.labels)} swapped in {task_name(swap.target)}, {swap.setting.at(swap.epsilon)}"
    found = shapes(swap, draws)
    if not found:
        return f"{start}: no box of one of the classes is left, so shapes cannot be compared."
    facts = "; ".join(one.text() for one in found)
    return f"{start}: {reached(swap, outcomes)}mean width / height of boxes so labelled, {facts}. {_verdict(found)}"


def reached(swap: Swap, outcomes: Sequence[Row]) -> str:
    """How many of its targets the attack moved: a swap that moved few says little about shapes."""
    shares = [
        row.value
        for row in outcomes
        if row.metric == "targets_reached"
        and (row.objective, row.epsilon) == (swap.objective, swap.epsilon)
        and Setting(row.model, row.dataset, row.attack, row.norm) == swap.setting
        and row.value is not None
    ]
    return f"{100 * shares[0]:.1f} % of the targets reached the other class; " if shares else ""


def _verdict(found: Sequence[Shape]) -> str:
    signs = {one.sign for one in found}
    surely = "" if all(one.after.low is not None for one in found) else ", as far as values without an interval tell"
    if signs == {1}:
        return (
            "Both stay nearer to their own shape than to the other's: the shapes swapped along with the classes"
            f"{surely}."
        )
    if signs == {-1}:
        return f"Both have the other's shape now: the shapes did not swap along with the classes{surely}."
    return "The two do not both tell clearly whether shapes swapped along with the classes."


def _after(row: Row, draws: Draws) -> Estimate:
    if key(row) not in draws:
        return Estimate(row.value or 0.0)
    from robustbench_seg.results.bootstrap import interval

    return Estimate(row.value or 0.0, *interval(draws[key(row)]))


def _side(shape: Estimate, middle: float) -> int:
    """-1 for shapes below the middle, 1 for those above, 0 where the interval includes it."""
    low, high = (shape.value if bound is None else bound for bound in (shape.low, shape.high))
    return int(low > middle) - int(high < middle)


def _cells(row: Row) -> tuple[Cell, Cell, Cell]:
    before, after = (
        Cell(DASH) if value is None else Cell(metric_text(row.metric, value)) for value in (row.clean, row.value)
    )
    return before, after, _ratio(row)


def _ratio(row: Row) -> Cell:
    if not row.direction:
        return Cell(DASH, title="neither high nor low is better")
    if row.ratio is None:
        return empty("failed" if row.failed else "no value")
    # The value stands in its own column already.
    shown = ratio_cell(row)
    return Cell(shown.main, shown.small[:-1], shown.shade)
