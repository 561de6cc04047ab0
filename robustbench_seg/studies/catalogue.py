"""What models of the catalogue reach and cost, beside a paper's rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from robustbench_seg.models.catalogue.card import load_folder, read_card
from robustbench_seg.models.cost import ModelCost, measure_cost
from robustbench_seg.models.registry import card_folders
from robustbench_seg.report.cells import DASH, Cell, Line, Table
from robustbench_seg.results.names import task_name
from robustbench_seg.tasks.base import Metric
from robustbench_seg.tasks.registry import TASKS


@dataclass(frozen=True)
class Measured:
    """A catalogue model: its clean curve metric by task and its training steps (from its card), and its cost."""

    name: str
    values: Mapping[str, float]
    steps: int
    cost: ModelCost


@dataclass(frozen=True)
class Together:
    """The models that stand for one row of a paper's table: one, or one per task."""

    models: Sequence[Measured]
    wanted: int

    @property
    def name(self) -> str:
        """Their names."""
        return ", ".join(model.name for model in self.models) or "not trained here"

    @property
    def values(self) -> dict[str, float]:
        """Their values by task."""
        return {task: value for model in self.models for task, value in model.values.items()}

    @property
    def steps(self) -> str:
        """How long they were trained."""
        return ", ".join(dict.fromkeys(str(model.steps) for model in self.models)) or DASH

    @property
    def costs(self) -> dict[str, float | None]:
        """GMAC, millions of parameters, images per second one after the other, joules; None where one lacks."""
        costs = [model.cost for model in self.models]
        if len(costs) < self.wanted:
            return dict.fromkeys(("gmac", "parameters", "speed", "joules"))
        joules = [cost.joules for cost in costs if cost.joules is not None]
        return {
            "gmac": sum(cost.macs for cost in costs) / 1e9,
            "parameters": sum(cost.parameters for cost in costs) / 1e6,
            "speed": 1 / sum(1 / cost.images_per_second for cost in costs),
            "joules": sum(joules) if len(joules) == len(costs) else None,
        }


def measure(names: Iterable[str], device: str) -> dict[str, Measured]:
    """Those of `names` that the catalogue has."""
    folders, measured = card_folders(), {}
    for name in (name for name in dict.fromkeys(names) if name in folders):
        card = read_card(folders[name])
        assert card.training is not None, "what ships was trained here"
        assert card.evaluation is not None
        values = {task: card.metrics[task][TASKS.get(task).curve] for task in card.tasks}
        cost = measure_cost(load_folder(folders[name]).module.to(device), card.evaluation.size, device)
        measured[name] = Measured(name, values, card.training.steps, cost)
    return measured


def together(measured: Mapping[str, Measured], names: Sequence[str]) -> Together:
    """The models of a row that there are."""
    return Together([measured[name] for name in names if name in measured], len(names))


def models_table(measured: Mapping[str, Measured], tasks: Sequence[str]) -> pd.DataFrame:
    """models.csv: one row per model."""
    rows = [
        {
            "model": model.name,
            **{f"{task}_{TASKS.get(task).curve}": model.values.get(task) for task in tasks},
            "steps": model.steps,
            "gmac": model.cost.macs / 1e9,
            "parameters": model.cost.parameters,
            "images_per_second": model.cost.images_per_second,
            "joules": model.cost.joules,
            "height": model.cost.size[0],
            "width": model.cost.size[1],
            "device": model.cost.device,
        }
        for model in measured.values()
    ]
    return pd.DataFrame(rows)


def curve_metric(task: str) -> Metric:
    """The metric that a task's Q is drawn of."""
    return TASKS.get(task)().metric(TASKS.get(task).curve)


def beside(value: float | None, form: str, published: str) -> Cell:
    """Our number, with the paper's under it."""
    return Cell(DASH if value is None else form.format(value), (f"paper {published}",) if published else ())


def task_sets_table(
    caption: str, rows: Mapping[str, Together], published: Mapping[str, Sequence[str]], tasks: Sequence[str]
) -> Table:
    """Every task's metric by which tasks are trained together."""
    lines = []
    for row, models in rows.items():
        pairs = zip(tasks, published[row], strict=True)
        cells = tuple(beside(models.values.get(task), "{:.3f}", number) for task, number in pairs)
        lines.append(Line(row, models.name, cells))
    metrics = {task: curve_metric(task) for task in tasks}
    better = {True: "higher is better", False: "lower is better"}
    heads = tuple(
        f"{task_name(task)}, {metric.title} ({better[bool(metric.higher_is_better)]})"
        for task, metric in metrics.items()
    )
    return Table(caption, "tasks", heads, tuple(lines))
