from __future__ import annotations

import pytest

from robustbench_seg.studies.votes import FAILS, HOLDS, MIXED, PARTLY, UNDECIDED, Judged, Vote


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
    one = Judged("It rains", tuple(Vote("cloud", sign) for sign in signs))
    assert one.verdict == verdict
    agreeing, against = signs.count(1), signs.count(-1)
    assert one.count == f"{agreeing} of {len(signs)} comparisons clearly for it, {against} clearly against"
