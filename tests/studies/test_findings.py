"""Verdicts on findings from the signs of their comparisons."""

from __future__ import annotations

import pytest

from robustbench_seg.report.comparison import Comparison, Estimate
from robustbench_seg.studies.findings import (
    FAILS,
    HOLDS,
    MIXED,
    PARTLY,
    UNDECIDED,
    Finding,
    findings_section,
)

INTERVALS = {1: (0.1, 0.2), 0: (-0.1, 0.1), -1: (-0.2, -0.1)}


def finding(*signs: int) -> Finding:
    return Finding("It rains", [comparison(sign) for sign in signs])


def comparison(sign: int) -> Comparison:
    sides = Estimate("", 0.6), Estimate("", 0.6 - 0.15 * sign)
    return Comparison("cloud", "", *sides, {"images": INTERVALS[sign]}, n_images=20)


@pytest.mark.parametrize(
    ("signs", "verdict"),
    [
        ((1, 1, 1), HOLDS),
        ((1, 0, 1), PARTLY),
        ((1, 0), PARTLY),
        ((1, 0, 0), UNDECIDED),
        ((1, -1), MIXED),
        ((1, -1, -1), FAILS),
        ((0, 0), UNDECIDED),
        ((0, -1), FAILS),
        ((-1,), FAILS),
    ],
)
def test_verdicts(signs, verdict):
    one = finding(*signs)
    assert one.verdict == verdict
    assert [one.count(sign) for sign in (1, -1, 0)] == [signs.count(sign) for sign in (1, -1, 0)]


def test_the_section_has_a_row_per_finding_and_the_comparisons_folded():
    section = findings_section(["As read."], [finding(1, 0), finding(-1)])
    (table,) = section.parts[0].tables
    assert [[cell.main for cell in line.cells] for line in table.lines] == [
        [PARTLY, "1", "0", "1"],
        [FAILS, "0", "1", "0"],
    ]
    assert [len(part.tables[0].lines) for part in section.parts[1:]] == [2, 1]
    assert not any(part.is_open for part in section.parts[1:])
