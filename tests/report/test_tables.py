"""The tables of a run against its rows."""

import re

import pytest

from robustbench_seg.report.cells import Table
from robustbench_seg.report.tables import cost_tables, hidden_classes, other_pivots, per_class, pivot, targets
from robustbench_seg.report.views import View, views
from tests.report.fake_run import FakeRun


@pytest.fixture(scope="module")
def both(run: FakeRun) -> list[View]:
    return views(run.rows)


def cells(table: Table | None) -> dict[str, list[str]]:
    """The text of every cell by the label and tag of its line, small print after a bar."""
    assert table is not None
    return {
        f"{line.label}, {line.tag}".removesuffix(", "): [" | ".join((cell.main, *cell.small)) for cell in line.cells]
        for line in table.lines
    }


def numbers(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"-?\d+\.\d+", text)]


def test_perturbations_by_epsilon_those_on_the_task_first(both: list[View]) -> None:
    table = pivot(both[1], "street-multitask")
    assert table.caption == "street-multitask on street: RMSE of depth, 3.412 m on clean images, n = 143 to 200 images"
    labels = [line.label for line in table.lines]
    assert labels.index("Hiding person") < labels.index("FGSM on semantic")
    assert table.heads == ("0.25", "0.5", "1", "2", "4", "8", "16", "no ε")


def test_other_metrics_have_tables_of_their_values(run: FakeRun, both: list[View]) -> None:
    tables = other_pivots(run.rows, both[1])
    assert [table.caption.partition(" of ")[0] for table in tables] == [
        "street-multitask on street: AbsRel",
        "street-multitask on street: δ < 1.25",
    ]
    (row,) = [r for r in run.rows if (r.metric, r.attack, r.objective, r.epsilon) == ("abs_rel", "pgd", "depth", 1.0)]
    assert cells(tables[0])["PGD, L∞"][2] == f"{row.value:.3f} | Q {row.ratio:.3f}"


def test_targets_and_hidden_classes(run: FakeRun) -> None:
    reached = cells(targets(run.rows))
    assert reached["street-mobilenetv2 on street, DAG on semantic without an ε"] == ["97.3 %", "81.2 %", "200"]
    alone = [row for row in run.rows if row.metric != "targets_reached"]
    assert targets(alone) is None, "what changed is not shown alone"
    hidden = cells(hidden_classes([row for row in run.class_rows if row.metric in ("miou", "rmse")]))
    line = hidden["street-multitask on street, Hiding person on depth at ε = 4"]
    person = [row for row in run.class_rows if (row.label, row.objective) == ("person", "hide:person@depth")]
    (row,) = [row for row in person if row.epsilon == 4 and row.metric == "rmse"]
    assert numbers(line[2])[0] == pytest.approx(row.clean, abs=5.1e-4)
    assert numbers(line[3])[0] == pytest.approx(row.value, abs=5.1e-4)
    assert line[4] == "143"
    assert targets([]) is None
    assert hidden_classes([]) is None


def test_classes_clean_and_attacked_at_a_middle_epsilon(run: FakeRun, both: list[View]) -> None:
    table = per_class(both[0], run.class_rows, "street-mobilenetv2")
    assert table is not None
    assert table.heads[0] == "clean"
    places = [(row.label, row.attack, row.epsilon) for row in run.class_rows]
    row = run.class_rows[places.index(("car", "pgd", 2.0))]
    shown = cells(table)["car"][table.heads.index("PGD at ε = 2")]
    assert numbers(shown) == pytest.approx([row.value, row.ratio], abs=5.1e-4)
    assert per_class(both[0], [], "street-mobilenetv2") is None


def test_costs_are_summed_over_epsilons(run: FakeRun) -> None:
    (table,) = [table for table in cost_tables(run.cost_rows) if "multitask" in table.caption]
    mine = [cost for cost in run.cost_rows if cost.model == "street-multitask"]
    pgd = [cost for cost in mine if (cost.attack, cost.objective) == ("pgd", "depth")]
    forwards, backwards = sum(cost.forwards for cost in pgd), sum(cost.backwards for cost in pgd)
    assert cells(table)["PGD on depth, L∞"][:3] == ["7", f"{forwards:,}", f"{backwards:,}"]
    assert cells(table)["total"][3] == f"{sum(cost.seconds for cost in mine):,.1f}"
