"""Where the evaluation of a batch makes the host wait for the device: with each cell, and at the end of each attack."""

from collections import Counter

import pytest

from robustbench_seg.evaluation.host_work import HostWork
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.worker import read, work_on
from robustbench_seg.protocol import AttackPlan, Protocol
from tests.waits import waits

EPSILONS = (1.0, 4.0)
GRADIENTS = ("pgd", "apgd", "mi_fgsm")
PLACES = {
    "attacks/expectations.py": "what had to hold of an attack's tensors, looked at with each result and at its end",
    "evaluation/guard.py": "whether the model was left as it was: once per batch",
}


def protocol(steps):
    plans = [AttackPlan(name, EPSILONS, norm="rms", params={"steps": steps}) for name in GRADIENTS]
    return Protocol("some", (AttackPlan("gaussian", EPSILONS), AttackPlan("fgsm", EPSILONS), *plans))


@pytest.fixture
def work(request_for):
    """The waits of one work item, and its results; records are made by another thread, as beside a GPU."""

    def run(images, steps, device="cuda"):
        request = request_for("toy-single", protocol=protocol(steps), limit=images)
        prepared = PreparedEvaluation(request)
        context = prepared.workplace.context(prepared.plan.pairs[0])
        context.host_work = HostWork(device)
        item = WorkItem(0, 0, range(images), tuple(range(len(context.pair.configurations))))
        given = read(context, item.images)
        with waits() as found:
            results = work_on(context, item, given, Pictures())
        return found, results

    return run


def test_a_batch_waits_for_each_cell_and_the_end_of_each_attack(work):
    found, results = work(2, 10)
    assert {wait.line.partition(":")[0] for wait in found} == set(PLACES)
    counts = Counter(wait.line.partition(":")[0] for wait in found if wait.operation == "wait")
    assert counts["evaluation/guard.py"] == 1
    num_cells = sum(len(result.cells) for result in results) - 1  # but the clean one
    assert counts["attacks/expectations.py"] == num_cells + len(protocol(10).attacks)
    assert [found, found] == [work(2, 20)[0], work(4, 10)[0]], "neither steps nor images make a difference"


def test_records_made_beside_the_device_are_the_same(work):
    _, beside = work(4, 5)
    _, at_once = work(4, 5, device="cpu")
    for one, other in zip(beside, at_once, strict=True):
        assert [cell.images for cell in one.cells] == [cell.images for cell in other.cells]


@pytest.mark.slow
def test_what_fails_beside_the_device_is_done_again_by_halves(work, monkeypatch):
    from robustbench_seg.evaluation import scoring

    makes = scoring.image_statistics

    def fails_together(batch, *arguments):
        if len(batch) > 1:
            raise RuntimeError("too many")
        return makes(batch, *arguments)

    _, whole = work(4, 5)
    monkeypatch.setattr(scoring, "image_statistics", fails_together)
    _, halved = work(4, 5)
    for one, other in zip(whole, halved, strict=True):
        for cell, again in zip(one.cells, other.cells, strict=True):
            assert [image.image for image in cell.images] == [image.image for image in again.images]
            assert not any(image.error for image in again.images)
