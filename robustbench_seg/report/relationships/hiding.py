"""What hiding a class in one task does to that class in every other (UniNet 2021, table 3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from robustbench_seg.classes import canonical
from robustbench_seg.report.cells import DASH, Cell, Line, Table, ratio_cell
from robustbench_seg.report.names import CURVES, class_metric_name, metric_text, task_name
from robustbench_seg.report.relationships.contrast import Contrast, Draws, Side, contrast
from robustbench_seg.report.relationships.effects import whole
from robustbench_seg.report.relationships.matrix import Setting, nearest
from robustbench_seg.report.relationships.objectives import GEOMETRIC, SEMANTIC, group, ordered_tasks
from robustbench_seg.results.rows import Row, unique

REFERENCE = 2.0
"""The radius shown first, in grey values: that of UniNet 2021, table 3."""

_CLASS_METRICS = {**CURVES, "instance_depth": "abs_rel"}


@dataclass(frozen=True)
class Hiding:
    """One class hidden at one radius: a row of classes.csv, of that class, for (task attacked, task measured)."""

    setting: Setting
    epsilon: float | None
    label: str
    cells: Mapping[tuple[str, str], Row]

    @property
    def targets(self) -> list[str]:
        """The tasks the class was hidden in."""
        return ordered_tasks([target for target, _ in self.cells])

    @property
    def tasks(self) -> list[str]:
        """The tasks measured."""
        return ordered_tasks([task for _, task in self.cells])


def hidings(class_rows: Iterable[Row]) -> list[Hiding]:
    """Every class, setting and radius, by growing radius."""
    found: dict[tuple[Setting, str, float | None], dict[tuple[str, str], Row]] = {}
    for row in class_rows:
        kind, _, rest = row.objective.partition(":")
        hidden, _, target = rest.partition("@")
        is_hidden = kind == "hide" and canonical(hidden) == canonical(row.label)
        if is_hidden and row.metric == _CLASS_METRICS.get(row.task, row.metric):
            setting = Setting(row.model, row.dataset, row.attack, row.norm)
            found.setdefault((setting, row.label, row.epsilon), {}).setdefault((target, row.task), whole(row))
    made = [Hiding(setting, epsilon, label, cells) for (setting, label, epsilon), cells in found.items()]
    return sorted(made, key=lambda one: (one.epsilon is None, one.epsilon))


def chosen(found: Sequence[Hiding], reference: float = REFERENCE) -> list[Hiding]:
    """Of each setting and class the one at the radius nearest to the reference."""
    grouped: dict[tuple[Setting, str], list[Hiding]] = {}
    for one in found:
        grouped.setdefault((one.setting, one.label), []).append(one)
    picked = []
    for group_ in grouped.values():
        epsilon = nearest([one.epsilon for one in group_], reference)
        picked.append(next(one for one in group_ if one.epsilon == epsilon))
    return picked


def hiding_table(hiding: Hiding) -> Table:
    """Tasks by what was attacked: clean, attacked with its ratio, and in the last line the realised SNR."""
    lines = [
        Line(
            task_name(task),
            _metric(hiding, task),
            tuple(cell for target in hiding.targets for cell in _cells(hiding, target, task)),
        )
        for task in hiding.tasks
    ]
    heads = tuple(head for _ in hiding.targets for head in ("clean", "ratio, attacked"))
    groups = tuple((f"hidden from {task_name(target)}", 2) for target in hiding.targets)
    snr = tuple(cell for target in hiding.targets for cell in (Cell(""), Cell(_snr(hiding, target))))
    where = f"{hiding.setting.where}: {hiding.label} hidden, {hiding.setting.at(hiding.epsilon)}"
    return Table(where, "measured on that class", heads, (*lines, Line("realised SNR", "", snr)), groups)


def hiding_contrast(hiding: Hiding, draws: Draws) -> Contrast | None:
    """What hiding in the semantic task takes from the geometric one, against the reverse."""
    semantic = [target for target in hiding.targets if group(target) == SEMANTIC]
    geometric = [target for target in hiding.targets if group(target) == GEOMETRIC]
    first = Side("semantic → geometric", _known(hiding, [(a, b) for a in semantic for b in geometric]))
    second = Side("geometric → semantic", _known(hiding, [(b, a) for a in semantic for b in geometric]))
    return contrast(f"hiding {hiding.label}", first, second, draws)


def _known(hiding: Hiding, pairs: Sequence[tuple[str, str]]) -> tuple[Row, ...]:
    rows = [hiding.cells[pair] for pair in pairs if pair in hiding.cells]
    return tuple(row for row in rows if row.ratio is not None)


def _cells(hiding: Hiding, target: str, task: str) -> tuple[Cell, Cell]:
    row = hiding.cells.get((target, task))
    clean = DASH if row is None or row.clean is None else metric_text(row.metric, row.clean)
    return Cell(clean), ratio_cell(row)


def _metric(hiding: Hiding, task: str) -> str:
    names = [class_metric_name(row.metric) for (_, measured), row in hiding.cells.items() if measured == task]
    return ", ".join(unique(names))


def _snr(hiding: Hiding, target: str) -> str:
    known = [row.snr_db for (attacked, _), row in hiding.cells.items() if attacked == target and row.snr_db is not None]
    return f"{known[0]:.1f} dB" if known else DASH
