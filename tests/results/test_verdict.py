import pytest

from robustbench_seg.results.verdict import OPEN, UNKNOWN, sign_of, verdict


@pytest.mark.parametrize(
    ("intervals", "sign", "words"),
    [
        ([(0.1, 0.2)], 1, "up"),
        ([(0.1, 0.2), (0.3, 0.9)], 1, "up"),
        ([(-0.2, -0.1)], -1, "down"),
        ([(0.1, 0.2), (-0.2, -0.1)], 0, OPEN),
        ([(0.0, 0.2)], 0, OPEN),
        ([], 0, UNKNOWN),
    ],
)
def test_every_interval_must_lie_on_one_side(intervals, sign, words):
    assert sign_of(intervals) == sign
    assert verdict(intervals, sign, "up", "down") == words
