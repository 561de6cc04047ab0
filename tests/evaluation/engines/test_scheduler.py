"""The scheduler on made-up workers, which die, hang and come back as a test wants."""

import itertools
from concurrent.futures import BrokenExecutor, Future

import pytest

from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.engines import scheduler
from robustbench_seg.evaluation.engines.scheduler import TRIES, schedule
from robustbench_seg.evaluation.job import Job
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.plan import Pair, Plan, WorkItem
from robustbench_seg.protocol import Protocol
from robustbench_seg.results.keys import FLOAT, ROUNDED, AttackConfiguration
from robustbench_seg.results.records import CellResult, ImageResult, SweepResult

CONFIGURATIONS = tuple(AttackConfiguration(name, "", "rms", (1.0, 2.0), scored=(FLOAT, ROUNDED)) for name in "abc")
PAIR = Pair(0, 0, ("semantic",), None, CONFIGURATIONS, 12)
WORK_ITEMS = [WorkItem(0, shard, range(3 * shard, 3 * shard + 3), (0, 1, 2)) for shard in range(4)]


def job(timeout=None):
    config = EvaluationConfig([], [], Protocol("none", ()), timeout=timeout or 0)
    return Job(config, Plan((PAIR,), 3, 0, 1, "fp32"), Execution())


def results(work_item, worker):
    images = tuple(ImageResult(image) for image in work_item.images)
    return [
        SweepResult(0, f, work_item.shard, tuple(CellResult(e, images) for e, _ in CONFIGURATIONS[f].cells), worker)
        for f in work_item.configurations
    ]


def settled(value=None, error=None):
    future = Future()
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
    return future


class Crew:
    """Makes workers. `fault(work_item)` is 'die', 'hang', 'raise' or empty for a result; a worker dies but once."""

    def __init__(self, fault=lambda work_item: "", born_dead=0):
        self.fault, self.born_dead = fault, born_dead
        self.seen, self.workers = [], []

    def start(self):
        worker = _Worker(self, f"w{len(self.workers)}", len(self.workers) < self.born_dead)
        self.workers.append(worker)
        return worker


class _Worker:
    def __init__(self, crew, name, born_dead):
        self.crew, self.name, self.gone, self.stopped = crew, name, born_dead, False
        self.ready = settled(name, BrokenExecutor("no room") if born_dead else None)
        self.stuck = False

    def submit(self, work_item):
        assert not self.stopped
        if self.gone:
            return settled(error=BrokenExecutor())
        if self.stuck:
            return Future()
        self.crew.seen.append(work_item)
        return {"": self._work, "die": self._die, "hang": self._hang, "raise": self._raise}[self.crew.fault(work_item)](
            work_item
        )

    def stop(self):
        self.stopped = True

    def _work(self, work_item):
        return settled(results(work_item, self.name))

    def _die(self, work_item):
        self.gone = True
        return settled(error=BrokenExecutor())

    def _hang(self, work_item):
        self.stuck = True
        return Future()

    def _raise(self, work_item):
        return settled(error=InputError("no such file"))


def run(crew, workers=2, timeout=None):
    return [result for found in schedule(job(timeout), WORK_ITEMS, workers, crew.start) for result in found]


def shards(found):
    return sorted((result.shard, result.configuration) for result in found)


EVERY = [(shard, configuration) for shard in range(4) for configuration in range(3)]


def once(fault, where):
    """A fault the first time a work item is begun for which `where` holds."""
    left = itertools.chain([fault], itertools.repeat(""))
    return lambda work_item: next(left) if where(work_item) else ""


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_every_work_item_comes_back_once(workers):
    crew = Crew()
    assert shards(run(crew, workers)) == EVERY
    assert sorted(work_item.shard for work_item in crew.seen) == [0, 1, 2, 3]
    assert all(worker.stopped for worker in crew.workers)


@pytest.mark.parametrize(("fault", "timeout"), [("die", None), ("hang", 0.02)])
def test_a_work_item_whose_worker_is_lost_is_tried_again_on_another(fault, timeout):
    crew = Crew(once(fault, lambda work_item: work_item.shard == 1))
    found = run(crew, timeout=timeout)
    assert shards(found) == EVERY
    assert not any(image.error for result in found for cell in result.cells for image in cell.images)
    assert len(crew.workers) == 3
    assert all(worker.stopped for worker in crew.workers)


@pytest.mark.parametrize(("fault", "timeout", "why"), [("die", None, "died"), ("hang", 0.02, "stopped after 0.02 s")])
def test_a_configuration_that_is_lost_every_time_is_recorded_as_failed_alone(fault, timeout, why):
    crew = Crew(lambda work_item: fault if work_item.shard == 2 and 1 in work_item.configurations else "")
    found = run(crew, timeout=timeout)
    assert shards(found) == EVERY
    bad = [result for result in found if any(image.error for image in result.cells[0].images)]
    assert [(result.shard, result.configuration) for result in bad] == [(2, 1)]
    assert [cell.epsilon for cell in bad[0].cells] == [1.0, 2.0, 1.0, 2.0]
    assert [image.image for image in bad[0].cells[0].images] == [6, 7, 8]
    assert all(why in image.error for cell in bad[0].cells for image in cell.images)
    assert len(crew.workers) == 2 + TRIES
    assert bad[0].worker in {worker.name for worker in crew.workers}


def test_only_the_work_item_a_worker_had_begun_counts_as_tried():
    crew = Crew(lambda work_item: "die" if work_item.shard == 0 else "")
    run(crew, workers=1)
    assert crew.seen.count(WORK_ITEMS[0]) == 1
    assert [crew.seen.count(piece) for piece in WORK_ITEMS[0].by_configuration()] == [TRIES - 1] * 3


def test_what_a_worker_raises_ends_the_run_and_stops_all():
    crew = Crew(lambda work_item: "raise" if work_item.shard == 3 else "")
    with pytest.raises(InputError, match="no such file"):
        run(crew)
    assert all(worker.stopped for worker in crew.workers)


def test_what_is_ready_together_comes_together():
    stream = schedule(job(), WORK_ITEMS, 4, Crew().start)
    assert shards(next(stream)) == EVERY
    stream.close()


def test_results_that_are_there_come_before_what_a_worker_raises():
    stream = schedule(job(), WORK_ITEMS, 2, Crew(lambda work_item: "" if work_item.shard else "raise").start)
    assert {result.shard for result in next(stream)} == {1}
    with pytest.raises(InputError, match="no such file"):
        next(stream)


def test_a_worker_that_cannot_start_is_replaced():
    assert shards(run(Crew(born_dead=2), workers=1)) == EVERY


def test_workers_that_never_start_are_one_line():
    crew = Crew(born_dead=99)
    with pytest.raises(InputError, match=r"died while it started.*no room.*again to resume"):
        run(crew)
    assert all(worker.stopped for worker in crew.workers)


def test_stopping_early_stops_the_workers():
    crew = Crew()
    stream = schedule(job(), WORK_ITEMS, 2, crew.start)
    next(stream)
    stream.close()
    assert all(worker.stopped for worker in crew.workers)
    assert len(crew.seen) < 4 + 1


def test_the_caller_hears_that_there_is_no_result_yet(monkeypatch):
    monkeypatch.setattr(scheduler, "HEARTBEAT_S", 0.01)
    crew = Crew(lambda work_item: "hang")
    stream = schedule(job(), WORK_ITEMS, 2, crew.start)
    assert [next(stream) for _ in range(3)] == [[], [], []]
    stream.close()
