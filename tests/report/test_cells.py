"""Cells: what a row is shown as, whole, partial and missing."""

from dataclasses import replace

import pytest

from robustbench_seg.report.cells import Cell, ratio_cell, share_cell, value_cell
from robustbench_seg.results.rows import Row
from tests.results.stored_runs import ROW

WHOLE = replace(ROW, ratio_low=0.4, ratio_high=0.6)


def test_q_with_its_interval_and_value() -> None:
    assert ratio_cell(WHOLE) == Cell("0.500", ("[0.400, 0.600]", "4.000 m"), 0.5)
    assert ratio_cell(replace(ROW, ratio=1.2)).shade == 1.0


def test_a_value_with_its_q_and_a_share() -> None:
    assert value_cell(WHOLE) == Cell("4.000 m", ("Q 0.500",), 0.5)
    assert share_cell(replace(ROW, value=0.25, ratio=None)) == Cell("25.0 %")


@pytest.mark.parametrize("cell", [ratio_cell, value_cell, share_cell])
@pytest.mark.parametrize(
    ("row", "small", "title"),
    [
        (None, (), "not in the protocol"),
        (replace(ROW, value=None), ("no value",), "no value"),
        (replace(ROW, value=None, n_images=0), ("no image has it",), "no image has it"),
        (replace(ROW, value=None, status="failed"), ("failed",), "failed"),
    ],
)
def test_a_missing_value_is_a_dash_with_its_reason(cell, row: Row | None, small: tuple[str, ...], title: str) -> None:
    assert cell(row) == Cell("–", small, title=title)


def test_a_failed_cell_still_shows_what_it_has() -> None:
    assert ratio_cell(replace(WHOLE, status="failed")).small[-1] == "failed, n = 8"
    assert ratio_cell(replace(ROW, ratio=None)) == Cell("–", ("4.000 m", "Q undefined"), title="Q undefined")
