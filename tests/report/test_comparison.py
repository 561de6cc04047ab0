"""Comparisons: signs, margins and verdicts, and their table."""

import pytest

from robustbench_seg.report.comparison import Comparison, Estimate, Scale, comparison_table
from robustbench_seg.results.intervals import OPEN, UNKNOWN


def compared(*intervals: tuple[float, float], **changes) -> Comparison:
    spans = {f"source {i}": interval for i, interval in enumerate(intervals)}
    sides = Estimate("own loss", 0.6, (0.5, 0.7)), Estimate("", 0.4)
    return Comparison("depth", "a model", *sides, spans, ("more", "less"), **changes)


@pytest.mark.parametrize(
    ("intervals", "sign", "verdict"),
    [
        ([(0.1, 0.3)], 1, "more"),
        ([(-0.3, -0.1)], -1, "less"),
        ([(-0.1, 0.3)], 0, OPEN),
        ([(0.1, 0.3), (-0.1, 0.5)], 0, OPEN),
        ([(0.1, 0.3), (0.2, 0.2)], 1, "more"),
        ([], 0, UNKNOWN),
    ],
)
def test_every_interval_must_exclude_zero(intervals, sign, verdict) -> None:
    found = compared(*intervals)
    assert (found.sign, found.verdict) == (sign, verdict)
    assert compared(*intervals, expected=-1).sign == -sign
    assert compared(*intervals, expected=-1).verdict == verdict


def test_a_margin_must_be_exceeded() -> None:
    assert compared((0.1, 0.3), margin=0.19).sign == 1
    assert compared((0.1, 0.3), margin=0.21).sign == 0


def test_one_row_per_comparison() -> None:
    table = comparison_table("Which?", [compared((0.1, 0.3)), compared((-0.3, -0.1), margin=0.1, scale=Scale())])
    first, second = table.lines
    assert (first.label, first.tag) == ("depth", "a model")
    assert [cell.main for cell in first.cells] == ["60.0 %", "40.0 %", "+20.0", "+", "more"]
    assert first.cells[0].small == ("[50.0, 70.0]", "own loss")
    assert first.cells[2].small == ("source 0 [10.0, 30.0]",)
    assert [cell.main for cell in second.cells] == ["0.600", "0.400", "+0.200", "−", "less"]
    assert second.cells[2].small[-1] == "must exceed 0.100"
