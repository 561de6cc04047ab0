from __future__ import annotations

import pytest

from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.timing import Timing
from robustbench_seg.results.records import unpack
from robustbench_seg.tasks.instances.rle import from_store
from tests.bench.paper import PICTURE_BYTES, Paper
from tests.bench.ready import HEIGHT, WIDTH, Ready, bytes_of_a_result

PAPER = Paper("klingner2020", 2, 3, (HEIGHT, WIDTH), 1, Timing(1.0, 10.0, 0.1))


def test_ready_results_are_what_a_worker_would_return():
    sweeps = Ready(PAPER.plan, masks=2).run(WorkItem(1, 2, range(2, 3), (0, 4)))
    assert [(sweep.pair, sweep.configuration, sweep.shard, len(sweep.cells)) for sweep in sweeps] == [
        (1, 0, 2, 1),
        (1, 4, 2, 7),
    ]
    (record,) = sweeps[1].cells[3].images
    found = {task: unpack(data) for task, data in record.statistics.items()}
    assert found["semantic"]["confusion"].sum() == HEIGHT * WIDTH
    assert found["depth"]["sums"].shape == (20, 8)
    masks = from_store(found["instance"])
    assert masks.shape == (2, HEIGHT, WIDTH)
    assert masks.any((1, 2)).all()
    others = [image.statistics["depth"] for cell in sweeps[1].cells for image in cell.images]
    assert len(set(map(id, others))) == 7, "pickle would write one object once"


def test_the_cost_on_paper_by_hand():
    # The clean cell, and seven of each of four perturbations.
    assert PAPER.cells == 1 + 4 * 7
    assert PAPER.results == 2 * 3 * 29
    passes = PAPER.cost.passes(PAPER.plan.pairs[0].to_run)
    seconds = 10 * passes.gradients + (passes.forwards - passes.gradients) + 0.1 * passes.cells
    assert PAPER.results_per_second(64) == pytest.approx(64 * 29 / seconds)
    one, two = PAPER.estimate(1), PAPER.estimate(2)
    assert one.seconds - one.fit_seconds == pytest.approx(2 * 3 * seconds)
    assert two.seconds - two.fit_seconds == pytest.approx(3 * seconds)


def test_bytes_on_paper_by_hand():
    # Three bytes of image, a class id in eight, a depth in four.
    assert PAPER.bytes_to_devices() == 2 * 3 * HEIGHT * WIDTH * (3 + 8 + 4)
    pictures = 2 * 2 * 5 * PICTURE_BYTES * HEIGHT * WIDTH
    each, stored = bytes_of_a_result(PAPER.plan)
    assert PAPER.bytes_from_workers() == pytest.approx(pictures + 2 * 3 * 29 * each)
    assert PAPER.estimate(1).megabytes * 2**20 == pytest.approx(pictures + 2 * 3 * 29 * stored)
