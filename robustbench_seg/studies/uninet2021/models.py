"""Tables 1 and 2 of UniNet 2021: what models of the catalogue reach and cost, beside the published rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from robustbench_seg.models.catalogue.index import card, folders, load
from robustbench_seg.models.cost import ModelCost, measure_cost
from robustbench_seg.report.cells import DASH, Cell, Line, Table
from robustbench_seg.report.delta import Against, delta_mtl
from robustbench_seg.report.names import metric_name, task_name
from robustbench_seg.tasks.registry import TASKS

PAIR = ("semantic", "depth")
TASK_ORDER = ("detection", "semantic", "instance", "depth", "instance_depth")
SINGLES = "single task"
_BETTER = {"lower": "lower is better", "higher": "higher is better"}


@dataclass(frozen=True)
class Measured:
    """A catalogue model: its clean curve metric by task and its training steps (from its card), and its cost."""

    name: str
    values: Mapping[str, float]
    steps: int
    cost: ModelCost


def measure(names: Sequence[str], device: str) -> dict[str, Measured]:
    """Those of `names` that the catalogue has."""
    found = {}
    for name in names:
        if name not in folders():
            continue
        own = card(name)
        values = {task: own.metrics[task][TASKS.get(task).curve] for task in own.tasks}
        module = load(name).module.to(device)
        found[name] = Measured(name, values, own.training.steps, measure_cost(module, own.evaluation.size, device))
    return found


def models_table(found: Mapping[str, Measured]) -> pd.DataFrame:
    """models.csv: a row a model."""
    rows = [
        {
            "model": one.name,
            **{f"{task}_{TASKS.get(task).curve}": one.values.get(task) for task in TASK_ORDER},
            "steps": one.steps,
            "gmac": one.cost.macs / 1e9,
            "parameters": one.cost.parameters,
            "images_per_second": one.cost.images_per_second,
            "joules": one.cost.joules,
            "height": one.cost.size[0],
            "width": one.cost.size[1],
            "device": one.cost.device,
        }
        for one in found.values()
    ]
    return pd.DataFrame(rows)


def singles(found: Mapping[str, Measured], names: Sequence[str]) -> dict[str, float]:
    """The value of each task of single-task models."""
    return {task: value for name in names if name in found for task, value in found[name].values.items()}


def delta(values: Mapping[str, float], alone: Mapping[str, float]) -> float | None:
    """The multi-task gain over the tasks that have a single-task model; None where there are none."""
    compared = [
        Against(value, alone[task], bool(TASKS.get(task)().metric(TASKS.get(task).curve).higher_is_better))
        for task, value in values.items()
        if task in alone
    ]
    return delta_mtl(compared) if compared else None


def table_1(
    published: Mapping[str, Sequence[float]], ours: Mapping[str, Sequence[str]], found: Mapping[str, Measured]
) -> Table:
    """Segmentation, depth, cost and gain of every row, the published numbers under ours."""
    alone = singles(found, ours[SINGLES])
    lines = []
    for row, numbers in published.items():
        mine = [found[name] for name in ours[row] if name in found]
        values = {task: value for one in mine for task, value in one.values.items() if task in PAIR}
        gain = delta(values, alone) if len(values) == len(PAIR) else None
        costs = [one.cost for one in mine] if len(mine) == len(ours[row]) else []
        cells = (
            _cell(values.get("semantic"), "{:.3f}", f"{numbers[0] / 100:.4f}"),
            _cell(values.get("depth"), "{:.2f} m", f"{numbers[1]:.3f} m"),
            _cell(sum(c.macs for c in costs) / 1e9 if costs else None, "{:.3f}", f"{numbers[2]:g}"),
            _cell(sum(c.parameters for c in costs) / 1e6 if costs else None, "{:.2f}", f"{numbers[3]:g}"),
            _cell(1 / sum(1 / c.images_per_second for c in costs) if costs else None, "{:.0f}", f"{numbers[4]:g}"),
            _cell(_joules(costs), "{:.2f}", f"{numbers[5]:g}"),
            _cell(gain, "{:+.2f}", f"{numbers[6]:+.2f}"),
            Cell(", ".join(dict.fromkeys(str(one.steps) for one in mine)) or DASH),
        )
        lines.append(Line(row, ", ".join(one.name for one in mine) or "not trained here", cells))
    heads = (
        "segmentation mIoU",
        "depth RMSE",
        "GMAC",
        "M parameters",
        "images/s",
        "J an image",
        "Δ_MTL, %",
        "steps trained",
    )
    return Table(
        "Table 1: ours with the paper's number under it; our Δ_MTL is against single-task UniNets, the paper's is not",
        "network",
        heads,
        tuple(lines),
    )


def table_2(
    published: Mapping[str, Sequence[str]], ours: Mapping[str, Sequence[str]], found: Mapping[str, Measured]
) -> Table:
    """Every task's metric by which tasks are trained together."""
    lines = []
    for row, numbers in published.items():
        mine = [found[name] for name in ours[row] if name in found]
        values = {task: value for one in mine for task, value in one.values.items()}
        cells = tuple(_two(task, values.get(task), number) for task, number in zip(TASK_ORDER, numbers, strict=True))
        lines.append(Line(row, ", ".join(one.name for one in mine) or "not trained here", cells))
    heads = tuple(_head(task) for task in TASK_ORDER)
    return Table("Table 2: UniNet by tasks trained together", "tasks", heads, tuple(lines))


def _head(task: str) -> str:
    curve = TASKS.get(task).curve
    higher = TASKS.get(task)().metric(curve).higher_is_better
    return f"{task_name(task)}, {metric_name(curve)} ({_BETTER['higher' if higher else 'lower']})"


def _two(task: str, value: float | None, number: str) -> Cell:
    # The paper gives shares in per cent and distances in metres.
    share = TASKS.get(task).group == "semantic"
    text = number and (f"{float(number) / 100:.4f}" if share else number)
    return _cell(value, "{:.3f}", text or "")


def _joules(costs: Sequence[ModelCost]) -> float | None:
    known = [cost.joules for cost in costs if cost.joules is not None]
    return sum(known) if known and len(known) == len(costs) else None


def _cell(value: float | None, form: str, published: str) -> Cell:
    return Cell(DASH if value is None else form.format(value), (f"paper {published}",) if published else ())
