import pytest

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.progress import Eta, Progress, Tracker
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult


class _Clock:
    now = 50.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return _Clock()


def test_before_anything_is_done_the_estimate_runs_down(clock):
    eta = Eta(100, 10, clock)
    assert eta.seconds_left == 100
    clock.now += 30
    assert eta.seconds_left == 70
    clock.now += 80
    assert eta.seconds_left == 0, "it should have been done"


def test_work_that_goes_as_estimated_keeps_to_the_estimate(clock):
    eta = Eta(100, 10, clock)
    for done in range(1, 11):
        clock.now += 10
        eta.advance(1)
        assert eta.seconds_left == pytest.approx(100 - 10 * done)


def test_work_that_takes_twice_as_long_is_believed_more_and_more(clock):
    eta = Eta(100, 10, clock)
    lefts = []
    for _ in range(10):
        clock.now += 20
        eta.advance(1)
        lefts.append(eta.seconds_left)
    # A tenth is done: (.1 * .9 of the estimate + 20 s seen) / (.1 * .9 + .1) in all, 20 s of them past.
    assert lefts[0] == pytest.approx(29 / 0.19 - 20)
    # Half is done: 191 s in all, of the true 200.
    assert lefts[4] == pytest.approx(105 / 0.55 - 100)
    assert lefts[-1] == pytest.approx(0, abs=1e-9)


class _Cost:
    """Configuration c takes c seconds an image."""

    def seconds(self, configurations):
        return float(sum(configurations))


def _result(configuration, shard, count):
    images = tuple(ImageResult(image) for image in range(count))
    return SweepResult(0, configuration, shard, (CellResult(1.0, images, Cost()),))


def test_what_takes_long_counts_for_more(clock):
    # Shards 1 and 2 of three are left: 2 * (1 + 9) + 1 * (1 + 9) seconds of work.
    items = [WorkItem(0, 1, range(2, 4), (1, 9)), WorkItem(0, 2, range(4, 5), (1, 9))]
    tracker = Tracker(items, 3, [_Cost()], 30, clock)
    assert tracker.progress() == Progress(1, 3, 30)
    clock.now += 18
    progress = tracker.progress([_result(9, 1, 2)])
    assert (progress.done, progress.total) == (1, 3), "a shard is done with all its configurations"
    assert progress.seconds_left == pytest.approx(12)
    clock.now += 2
    assert tracker.progress([_result(1, 1, 2)]).done == 2
    clock.now += 10
    last = tracker.progress([_result(1, 2, 1), _result(9, 2, 1)])
    assert (last.done, last.seconds_left) == (3, pytest.approx(0, abs=1e-9))


def test_nothing_to_do_is_done():
    assert Tracker([], 3, [], 0).progress() == Progress(3, 3, 0)
