"""Attacks on depth that differ in their loss alone, in several metrics: why CosPGD is the weaker one in metres."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from robustbench_seg.protocol import AttackPlan
from robustbench_seg.report.cells import Line, Table, text_cells
from robustbench_seg.results.names import metric_name, metric_of
from robustbench_seg.results.rows import Row
from robustbench_seg.results.run import Run

TASK = "depth"
MODELS = ("street-multi", "street-mtl", "street-uninet-d")
METRICS = {"rmse": 2, "abs_rel": 3, "rmse_log": 3, "delta1": 3}
"""What is shown of every attack, with its decimals."""
ATTACKS = {
    "PGD, RMSE": ("pgd", {}),
    "PGD, L1": ("pgd", {"loss": "l1"}),
    "PGD, L1 of logarithms": ("pgd", {"loss": "log"}),
    "CosPGD, L1 of logarithms": ("cospgd", {"loss": "cosine"}),
}
"""By what they ascend: the attack and its loss."""


def plans(epsilons: Sequence[float], steps: int) -> Mapping[str, AttackPlan]:
    """One attack per loss, by what it ascends."""
    return {
        title: AttackPlan(name, tuple(epsilons), "linf", (TASK,), {"steps": steps, **loss}, loss.get("loss", ""))
        for title, (name, loss) in ATTACKS.items()
    }


def losses_table(runs: Sequence[Run], attacks: Mapping[str, AttackPlan], epsilon: float) -> Table:
    """One row per model and attack: the metrics of depth under it."""
    lines = [line for run in runs for line in _lines(run.rows, attacks, epsilon)]
    heads = tuple(" ".join(filter(None, (metric_name(TASK, name), _direction(name)))) for name in METRICS)
    return Table(f"Depth at ε = {epsilon:g} by the loss that is ascended", "attack", heads, tuple(lines))


def _lines(rows: Sequence[Row], attacks: Mapping[str, AttackPlan], epsilon: float) -> Iterator[Line]:
    labels = {"clean images": ("clean", 0.0), **{title: (plan.label, epsilon) for title, plan in attacks.items()}}
    own = {(row.attack, row.epsilon, row.metric): row for row in rows if row.task == TASK}
    for title, (label, size) in labels.items():
        found = {name: own[label, size, name] for name in METRICS}
        cells = text_cells(*(f"{found[name].value:.{decimals}f}" for name, decimals in METRICS.items()))
        yield Line(title, found["rmse"].model, cells)


def _direction(metric: str) -> str:
    known = metric_of(TASK, metric)
    better = "more is better" if known.higher_is_better else "less is better"
    return f"({', '.join(filter(None, (known.unit, better)))})"
