"""The study's judgements on made-up matrices, and its tables."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robustbench_seg.models.cost import ModelCost
from robustbench_seg.report.relationships.contrasts import group_losses, own_losses
from robustbench_seg.report.relationships.matrix import Matrix, Setting, Sweep
from robustbench_seg.results.rows import Row
from robustbench_seg.results.sample import Sample
from robustbench_seg.studies import uninet2021 as study
from robustbench_seg.studies.catalogue import Measured, task_sets_table, together
from robustbench_seg.studies.findings import HOLDS, Finding
from robustbench_seg.studies.page import read_paper

TASKS = ("semantic", "detection", "depth")
WHERE = Setting("net", "street", "pgd", "linf")
PAPER = read_paper(study.__file__)


def row(objective: str, task: str, q: float | None, width: float = 0.02) -> Row:
    low, high = (None, None) if q is None else (q - width, q + width)
    return Row(
        model="net",
        dataset="street",
        attack="pgd",
        objective=objective,
        norm="linf",
        epsilon=1.0,
        task=task,
        metric="miou",
        direction="higher",
        value=q,
        clean=1.0,
        ratio=q,
        ratio_low=low,
        ratio_high=high,
        snr_db=30.0,
        rms=1.0,
        linf=1.0,
        n_images=40,
        n_unchanged=0,
        status="ok",
    )


def matrix(cells: dict[str, tuple[float | None, ...]], width: float = 0.02) -> Matrix:
    found = {
        (objective, task): row(objective, task, q, width)
        for objective, values in cells.items()
        for task, q in zip(TASKS, values, strict=True)
    }
    return Matrix(WHERE, 1.0, found)


AS_IN_THE_PAPER = {
    "semantic": (0.6, 0.7, 0.8),
    "detection": (0.9, 0.2, 0.85),
    "depth": (0.95, 0.7, 0.3),
    "group:semantic": (0.7, 0.5, 0.8),
    "group:geometric": (0.95, 0.8, 0.4),
    "group:all": (0.7, 0.1, 0.5),
}


def unsampled(row: Row) -> None:
    """No store: no row has a sample."""


def signs(comparisons):
    return [one.sign for one in comparisons]


def test_groups():
    assert signs(group_losses(matrix(AS_IN_THE_PAPER), unsampled)) == [1, 1, 1]
    swapped = AS_IN_THE_PAPER | {
        "group:semantic": AS_IN_THE_PAPER["group:geometric"],
        "group:geometric": AS_IN_THE_PAPER["group:semantic"],
    }
    assert signs(group_losses(matrix(swapped), unsampled)) == [-1, -1, -1]
    assert signs(group_losses(matrix(AS_IN_THE_PAPER, width=0.5), unsampled)) == [0, 0, 0]


def test_own_losses_against_the_strongest_rival():
    assert signs(own_losses(matrix(AS_IN_THE_PAPER), unsampled)) == [1, 1, 1]
    assert signs(own_losses(matrix(AS_IN_THE_PAPER | {"depth": (0.5, 0.7, 0.3)}), unsampled)) == [-1, 1, 1]


def test_the_multi_task_loss_takes_more_from_detection_only():
    assert signs(study.multi_task(matrix(AS_IN_THE_PAPER), unsampled)) == [1, 1, 1]
    other = matrix(AS_IN_THE_PAPER | {"group:all": (0.4, 0.4, 0.5)})
    assert signs(study.multi_task(other, unsampled)) == [-1, -1, 1]


def test_samples_decide_where_intervals_overlap():
    wide = matrix(AS_IN_THE_PAPER, width=0.5)
    noise = np.linspace(-0.05, 0.05, 40)
    assert signs(group_losses(wide, lambda row: Sample(row.ratio or 0.0, (row.ratio or 0.0) + noise))) == [1, 1, 1]


def test_architectures_by_the_interval_of_their_rank_correlation():
    def sweeps(other_ratio):
        first = matrix(AS_IN_THE_PAPER)
        cells = {at: replace(row, model="other", ratio=other_ratio(row.ratio)) for at, row in first.cells.items()}
        other = replace(first, setting=WHERE._replace(model="other"), cells=cells)
        return [Sweep((one,), one) for one in (first, other)]

    def sure(row: Row) -> Sample:
        return Sample(row.ratio or 0.0, np.full(20, row.ratio))

    def unsure(row: Row) -> Sample:
        noise = np.random.default_rng([len(row.model), int(1000 * (row.ratio or 0.0))]).normal(0, 0.1, 20)
        return Sample(row.ratio or 0.0, (row.ratio or 0.0) + noise)

    same, crossed = sweeps(lambda ratio: ratio), sweeps(lambda ratio: 1 - ratio)
    assert signs(study.architectures(same, sure)) == [1]
    assert signs(study.architectures(crossed, sure)) == [-1]
    assert signs(study.architectures(same, unsure)) == [0]
    assert signs(study.architectures(same, unsampled)) == [0], "no interval, no claim"


def test_segmentation_must_retain_most_under_every_loss():
    found = list(study.most_robust(matrix(AS_IN_THE_PAPER), unsampled))
    assert [one.subject for one in found][:2] == ["attacking semantic segmentation", "attacking object detection"]
    assert signs(found) == [-1, 1, 1, 1, -1, 1]
    assert Finding("x", found).verdict != HOLDS


def test_missing_cells_are_not_compared():
    holes = matrix(dict.fromkeys(AS_IN_THE_PAPER, (None, None, None)))
    for judge in (group_losses, own_losses, study.multi_task, study.most_robust):
        assert list(judge(holes, unsampled)) == []


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


def test_table_1_sums_the_costs_of_single_tasks():
    rows = {row: together(FOUND, names) for row, names in PAPER["ours1"].items()}
    table = study.table_1(rows, PAPER["table1"])
    lines = {line.label: [cell.main for cell in line.cells] for line in table.lines}
    assert lines["single task"] == ["0.600", "5.00 m", "4.000", "2.00", "25", "–", "+0.00", "5000"]
    assert lines["UniNet"][-2] == "+10.00"
    assert set(lines["PAD-Net"]) == {"–"}
    assert all(cell.small for line in table.lines for cell in line.cells[:-1])


def test_table_3_shows_an_interval_only_where_there_is_one():
    cells = {("semantic", "depth"): row("semantic", "depth", 0.5), ("depth", "depth"): row("depth", "depth", 0.25)}
    cells["depth", "depth"] = replace(cells["depth", "depth"], ratio_low=None, ratio_high=None)
    (line,) = study.table_3(Matrix(WHERE, 1.0, cells, "person"), {"depth": (0.4, 0.3)}).lines
    assert [cell.main for cell in line.cells] == ["0.50 [0.48, 0.52]", "0.40", "0.25", "0.30"]


def test_table_2_has_every_task_of_each_set():
    rows = {row: together(FOUND, names) for row, names in PAPER["ours2"].items()}
    table = task_sets_table("Table 2", rows, PAPER["table2"], study.TASKS)
    lines = {line.label: line for line in table.lines}
    assert [cell.main for cell in lines["five tasks"].cells] == ["0.300", "0.600", "0.200", "6.000", "3.000"]
    assert lines["five tasks"].cells[0].small == ("paper 38.93",)
    assert [cell.main for cell in lines["single task"].cells] == ["–", "0.600", "–", "5.000", "–"]


def test_every_published_row_names_models():
    assert PAPER["table1"].keys() == PAPER["ours1"].keys()
    assert PAPER["table2"].keys() == PAPER["ours2"].keys()
    assert all(PAPER["ours1"].values())
