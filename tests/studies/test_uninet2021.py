"""The study's judgements on made-up matrices, and its tables."""

from __future__ import annotations

import dataclasses
import tomllib

import numpy as np
import pytest

from robustbench_seg.models.cost import ModelCost
from robustbench_seg.report.relationships.contrast import key
from robustbench_seg.report.relationships.matrix import Family, Matrix, Setting
from robustbench_seg.results.rows import Row
from robustbench_seg.studies.uninet2021.__main__ import PUBLISHED
from robustbench_seg.studies.uninet2021.findings import architectures, groups, most_robust, multi_task, own_loss
from robustbench_seg.studies.uninet2021.models import Measured, delta, table_1, table_2
from robustbench_seg.studies.votes import HOLDS, Judged

TASKS = ("semantic", "detection", "depth")
WHERE = Setting("net", "street", "pgd", "linf")


def row(objective: str, task: str, q: float | None, width: float = 0.02) -> Row:
    low, high = (None, None) if q is None else (q - width, q + width)
    where = ("net", "street", "pgd", objective, "linf", 1.0, task, "miou", "higher")
    return Row(*where, q, 1.0, q, low, high, 30.0, 1.0, 1.0, 4, 0, "ok")


def matrix(cells: dict[str, tuple[float | None, ...]], width: float = 0.02) -> Matrix:
    found = {
        (objective, task): row(objective, task, q, width)
        for objective, values in cells.items()
        for task, q in zip(TASKS, values, strict=True)
    }
    return Matrix(WHERE, 1.0, tuple(cells), TASKS, found)


AS_IN_THE_PAPER = {
    "semantic": (0.6, 0.7, 0.8),
    "detection": (0.9, 0.2, 0.85),
    "depth": (0.95, 0.7, 0.3),
    "group:semantic": (0.7, 0.5, 0.8),
    "group:geometric": (0.95, 0.8, 0.4),
    "group:all": (0.7, 0.1, 0.5),
}


def signs(votes):
    return [vote.sign for vote in votes]


def test_groups():
    assert signs(groups(matrix(AS_IN_THE_PAPER), {})) == [1, 1, 1]
    swapped = AS_IN_THE_PAPER | {
        "group:semantic": AS_IN_THE_PAPER["group:geometric"],
        "group:geometric": AS_IN_THE_PAPER["group:semantic"],
    }
    assert signs(groups(matrix(swapped), {})) == [-1, -1, -1]
    assert signs(groups(matrix(AS_IN_THE_PAPER, width=0.5), {})) == [0, 0, 0]


def test_own_losses_against_the_strongest_rival():
    assert signs(own_loss(matrix(AS_IN_THE_PAPER), {})) == [1, 1, 1]
    assert signs(own_loss(matrix(AS_IN_THE_PAPER | {"depth": (0.5, 0.7, 0.3)}), {})) == [-1, 1, 1]


def test_the_multi_task_loss_takes_more_from_detection_only():
    assert signs(multi_task(matrix(AS_IN_THE_PAPER), {})) == [1, 1, 1]
    assert signs(multi_task(matrix(AS_IN_THE_PAPER | {"group:all": (0.4, 0.4, 0.5)}), {})) == [-1, -1, 1]


def test_paired_draws_decide_where_intervals_overlap():
    wide = matrix(AS_IN_THE_PAPER, width=0.5)
    noise = np.linspace(-0.5, 0.5, 200)
    draws = {key(row): (row.ratio or 0.0) + noise for row in wide.cells.values()}
    assert signs(groups(wide, draws)) == [1, 1, 1]


def test_architectures_by_the_interval_of_their_rank_correlation():
    first = matrix(AS_IN_THE_PAPER)
    cells = {place: dataclasses.replace(row, model="other") for place, row in first.cells.items()}
    other = dataclasses.replace(first, setting=WHERE._replace(model="other"), cells=cells)
    families = [Family(one.setting, (one,), one) for one in (first, other)]
    rows = [*first.cells.values(), *other.cells.values()]
    same = {key(row): np.full(200, row.ratio) for row in rows}
    assert signs(architectures(families, same)) == [1]
    crossed = {key(row): np.full(200, row.ratio if row.model == "net" else 1 - (row.ratio or 0.0)) for row in rows}
    assert signs(architectures(families, crossed)) == [-1]
    assert signs(architectures(families, {})) == [0], "no interval, no claim"


def test_segmentation_must_keep_most_under_every_loss():
    votes = list(most_robust(matrix(AS_IN_THE_PAPER), {}))
    assert signs(votes) == [-1, 1, 1, -1, 1, 1]
    assert Judged("x", tuple(votes)).verdict != HOLDS


def test_missing_cells_are_no_votes():
    holes = dict.fromkeys(AS_IN_THE_PAPER, (None, None, None))
    for judge in (groups, own_loss, multi_task, most_robust):
        assert list(judge(matrix(holes), {})) == []


def measured(name: str, **values: float) -> Measured:
    return Measured(name, values, 5000, ModelCost((96, 192), 2_000_000_000, 1_000_000, 50.0, None, "cpu"))


FOUND = {
    one.name: one
    for one in (
        measured("street-uninet-ss", semantic=0.6),
        measured("street-uninet-d", depth=5.0),
        measured("street-uninet-ssd", semantic=0.66, depth=4.5),
        measured("street-uninet", semantic=0.6, depth=6.0, detection=0.3, instance=0.2, instance_depth=3.0),
    )
}


def test_gain_against_single_tasks():
    alone = {"semantic": 0.6, "depth": 5.0}
    assert delta({"semantic": 0.66, "depth": 4.5}, alone) == pytest.approx(10.0)
    assert delta({"semantic": 0.6, "depth": 6.0}, alone) == pytest.approx(-10.0)
    assert delta({"detection": 0.3}, alone) is None


def test_table_1_sums_the_costs_of_single_tasks():
    published = tomllib.loads(PUBLISHED.read_text())
    table = table_1(published["table1"], published["ours1"], FOUND)
    lines = {line.label: [cell.main for cell in line.cells] for line in table.lines}
    assert lines["single task"] == ["0.600", "5.00 m", "4.000", "2.00", "25", "–", "+0.00", "5000"]
    assert lines["UniNet"][-2] == "+10.00"
    assert set(lines["PAD-Net"]) == {"–"}
    assert all(cell.small for line in table.lines for cell in line.cells[:-1])


def test_table_2_has_every_task_of_each_set():
    published = tomllib.loads(PUBLISHED.read_text())
    table = table_2(published["table2"], published["ours2"], FOUND)
    lines = {line.label: line for line in table.lines}
    assert [cell.main for cell in lines["five tasks"].cells] == ["0.300", "0.600", "0.200", "6.000", "3.000"]
    assert lines["five tasks"].cells[0].small == ("paper 0.3893",)
    assert [cell.main for cell in lines["single task"].cells] == ["–", "0.600", "–", "5.000", "–"]


def test_every_published_row_names_models():
    published = tomllib.loads(PUBLISHED.read_text())
    assert published["table1"].keys() == published["ours1"].keys()
    assert published["table2"].keys() == published["ours2"].keys()
    assert all(published["ours1"].values())
