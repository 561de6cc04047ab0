import math
from dataclasses import replace

import pytest

from robustbench_seg.results.keys import CellKey
from robustbench_seg.results.rows import CLASSES, COSTS, SUMMARY, CostRow, Row, aim, read_costs, read_rows, table
from tests.results.stored_runs import ROW


@pytest.mark.parametrize("row", [ROW, replace(ROW, epsilon=None, ratio=None, status="failed")])
def test_rows_survive_a_table(row: Row) -> None:
    assert read_rows(table([row], SUMMARY)) == [row]
    labelled = replace(row, label="car")
    assert read_rows(table([labelled], CLASSES)) == [labelled]


def test_costs_survive_a_table() -> None:
    cost = CostRow(
        model="m",
        dataset="d",
        attack="dag",
        objective="semantic",
        norm="none",
        epsilon=None,
        forwards=10,
        backwards=9,
        seconds=1.5,
        peak_memory_mb=412.5,
    )
    assert read_costs(table([cost], COSTS)) == [cost]


def test_the_key_is_that_of_the_cell() -> None:
    assert ROW.key == CellKey("m", "d", "pgd", "depth", "linf", 1 / 3)


def test_the_columns_of_the_tables() -> None:
    assert ",".join(SUMMARY) == (
        "model,dataset,attack,objective,norm,epsilon,scored,task,metric,direction,value,clean,ratio,ratio_low,ratio_high,"
        "snr_db,rms,linf,n_images,n_unchanged,status,verdict"
    )
    assert [*SUMMARY[:9], "class", *SUMMARY[9:]] == CLASSES
    assert [*SUMMARY[:7], "forwards", "backwards", "seconds", "peak_memory_mb"] == COSTS


def test_an_interval_that_is_missing_is_q_itself() -> None:
    assert (ROW.low, ROW.high) == (0.5, 0.5)
    assert math.isnan(replace(ROW, ratio=None).low)


def test_what_is_attacked() -> None:
    assert [aim(text) for text in ("depth", "hide:person@depth", "loss:cls", "")] == ["depth", "depth", "loss:cls", ""]
    assert ROW.is_own
    assert not replace(ROW, task="semantic").is_own
