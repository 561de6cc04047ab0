"""Comparisons: signs, margins and verdicts, and their table."""

import math

import pytest

from robustbench_seg.report.comparison import Comparison, Estimate, Scale, comparison_table, corrected
from robustbench_seg.results.intervals import OPEN, UNKNOWN


def compared(*intervals: tuple[float, float], difference: float = 0.2, **changes) -> Comparison:
    spans = {f"source {i}": interval for i, interval in enumerate(intervals)}
    sides = Estimate("own loss", 0.6, (0.5, 0.7)), Estimate("", 0.6 - difference)
    return Comparison("depth", "a model", *sides, spans, ("more", "less"), **{"n_images": 20, **changes})


@pytest.mark.parametrize(
    ("intervals", "difference", "sign", "verdict"),
    [
        ([(0.1, 0.3)], 0.2, 1, "more"),
        ([(-0.3, -0.1)], -0.2, -1, "less"),
        ([(-0.1, 0.5)], 0.2, 0, OPEN),
        ([(0.1, 0.3), (-0.1, 0.5)], 0.2, 0, OPEN),
        ([(0.1, 0.3), (0.2, 0.2)], 0.2, 1, "more"),
        ([], 0.2, 0, UNKNOWN),
    ],
)
def test_every_interval_must_exclude_zero(intervals, difference, sign, verdict) -> None:
    found = compared(*intervals, difference=difference)
    assert (found.sign, found.verdict) == (sign, verdict)
    turned = compared(*intervals, difference=difference, expected=-1)
    assert (turned.sign, turned.verdict) == (-sign, verdict)


def test_a_p_value_that_is_known_decides() -> None:
    assert compared((-0.1, 0.5), p_value=0.04).verdict == "more"
    assert compared((0.1, 0.3), p_value=0.06).verdict == OPEN
    assert compared((0.1, 0.3), n_images=7).verdict == "too few images (n = 7)"
    assert compared((0.1, 0.3), n_images=7).sign == 0


def test_comparisons_are_corrected_together() -> None:
    found = corrected([compared(p_value=0.03), compared(), compared(p_value=0.02), compared(p_value=0.001)])
    assert [each.p_value for each in found] == pytest.approx([0.04, math.nan, 0.04, 0.003], nan_ok=True)
    assert [each.sign for each in found] == [1, 0, 1, 1]


def test_a_margin_must_be_exceeded() -> None:
    assert compared((0.1, 0.3), margin=0.19).sign == 1
    assert compared((0.1, 0.3), margin=0.21).sign == 0


def test_one_row_per_comparison() -> None:
    table = comparison_table(
        "Which?", [compared((0.1, 0.3)), compared((-0.3, -0.1), difference=-0.2, margin=0.1, scale=Scale())]
    )
    first, second = table.lines
    assert (first.label, first.tag) == ("depth", "a model")
    assert [cell.main for cell in first.cells] == ["60.0 %", "40.0 %", "+20.0", "+", "more"]
    assert first.cells[0].small == ("[50.0, 70.0]", "own loss")
    assert first.cells[2].small == ("source 0 [10.0, 30.0]", "n = 20")
    assert [cell.main for cell in second.cells] == ["0.600", "0.800", "−0.200", "−", "less"]
    assert "must exceed 0.100" in second.cells[2].small


@pytest.mark.parametrize(("value", "number", "signed"), [(-0.26, "−0.3", "−0.3"), (-0.04, "0.0", "+0.0")])
def test_a_minus_is_one_and_zero_has_none(value: float, number: str, signed: str) -> None:
    scale = Scale(decimals=1)
    assert (scale.number(value), scale.signed(value)) == (number, signed)
