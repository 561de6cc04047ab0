"""What one batch shares across configurations, counted; and what happens where memory runs out."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.attacks.target_model import ForwardPass
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.sweep import AttackSweep
from robustbench_seg.evaluation.worker import read, work_on
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.results.keys import CLEAN

EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
GRID = Protocol(
    "grid",
    (
        AttackPlan("gaussian", EPSILONS),
        AttackPlan("salt_and_pepper", EPSILONS),
        AttackPlan("fgsm", EPSILONS),
        AttackPlan("pgd", EPSILONS, params={"steps": 0, "alpha": 1}),
    ),
)
IMAGES = 4


@pytest.fixture
def context_for(request_for):
    """The context of the first pair of a request."""

    def build(*models, **changes):
        prepared = PreparedEvaluation(request_for(*models, **{"protocol": GRID, "limit": IMAGES, **changes}))
        return prepared.workplace.context(prepared.plan.pairs[0])

    return build


def done(context, configurations=None):
    """The results of these configurations on the first images."""
    everything = range(len(context.pair.configurations))
    work_item = WorkItem(0, 0, range(IMAGES), tuple(everything if configurations is None else configurations))
    return work_on(context, work_item, read(context, work_item.images), Pictures())


def spent(results):
    """Forwards and backwards an image of each cell, by attack."""
    found = {}
    for result in results:
        cells = [(cell.cost.forwards // IMAGES, cell.cost.backwards // IMAGES) for cell in result.cells]
        found[result.configuration] = cells
    return found


def test_the_klingner_grid_costs_21_gradients_and_47_forwards(context_for):
    """49 gradients, each with a forward, and 29 scores one by one: 78 forwards."""
    context = context_for("toy-single")
    configurations = [configuration.attack for configuration in context.pair.configurations]
    found = spent(done(context))
    by_attack = {configurations[index]: cells for index, cells in found.items()}
    assert by_attack[CLEAN] == [(1, 0)]
    assert by_attack["gaussian"] == by_attack["salt_and_pepper"] == [(1, 0)] * 7
    # The first gradient is a backward through the clean forward; it is FGSM's for every epsilon, and PGD's first.
    assert by_attack["fgsm"] == [(1, 1)] + [(1, 0)] * 6
    # One step of at least epsilon is FGSM: nothing is left to do. Epsilon 8 leaves the trunk one step before its end.
    assert by_attack["pgd"][:2] == [(0, 0), (0, 0)]
    assert sum(backwards for cells in by_attack.values() for _, backwards in cells) == 21
    assert sum(forwards for cells in by_attack.values() for forwards, _ in cells) == 1 + 14 + 7 + 5 + 20


def test_sharing_changes_no_bit(context_for):
    """Each configuration alone, as after an interruption, gives what it gives among the others."""
    context = context_for("toy-single")
    together = {result.configuration: result for result in done(context)}
    for index in range(len(context.pair.configurations)):
        (alone,) = done(context, [index])
        assert [cell.images for cell in alone.cells] == [cell.images for cell in together[index].cells]


@dataclass(frozen=True)
class Greedy(Perturbation):
    """Runs out of memory with more images at once than it says."""

    most: int = 1
    message: str = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"

    def run(self, attack_context: AttackContext, budget: Budget) -> torch.Tensor:
        if len(attack_context.images) > self.most:
            raise RuntimeError(self.message)
        return FGSM().run(attack_context, budget)


@pytest.fixture
def greedy(monkeypatch):
    known = ATTACKS.get
    monkeypatch.setattr(ATTACKS, "get", lambda name: Greedy if name == "greedy" else known(name))


@pytest.mark.usefixtures("greedy")
@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_batch_that_does_not_fit_is_halved(context_for, most):
    plans = (AttackPlan("fgsm", (4.0,)), AttackPlan("greedy", (4.0,), params={"most": most}), AttackPlan("pgd", (4.0,)))
    context = context_for("toy-single", protocol=Protocol("greedy", plans))
    clean, fgsm, greedy, pgd = done(context)
    for result in (clean, fgsm, greedy, pgd):
        (cell,) = result.cells
        assert [image.image for image in cell.images] == list(range(IMAGES))
        assert not any(image.error for image in cell.images)
    assert [i.rms for i in greedy.cells[0].images] == pytest.approx([i.rms for i in fgsm.cells[0].images], rel=1e-4)


def test_no_graph_outlives_the_first_gradient(context_for, monkeypatch):
    """Also where the batch was halved: memory is what there is too little of."""
    context, passes = context_for("toy-single"), []
    made, scored = context.target_model.forward_pass, context.target_model.outputs

    def seen(images):
        passes.append(made(images))
        return passes[-1]

    def short(images):
        assert all(one._graph is None for one in passes)
        if len(images) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return scored(images)

    monkeypatch.setattr(context.target_model, "forward_pass", seen)
    monkeypatch.setattr(context.target_model, "outputs", short)
    results = done(context)
    assert not any(image.error for result in results for cell in result.cells for image in cell.images)
    assert len(passes) > IMAGES


@pytest.mark.usefixtures("greedy")
def test_an_image_that_never_fits_fails_alone(context_for):
    plans = (AttackPlan("greedy", (4.0,), params={"most": 0}), AttackPlan("fgsm", (4.0,)))
    context = context_for("toy-single", protocol=Protocol("greedy", plans))
    _, greedy, fgsm = done(context)
    assert all("can't allocate memory" in image.error for image in greedy.cells[0].images)
    assert not any(image.error for image in fgsm.cells[0].images)


def test_after_running_out_of_memory_later_attacks_take_halves_at_once(context_for, monkeypatch):
    context = context_for("toy-single")
    whole = AttackSweep(context, context.first, Pictures())
    assert len(whole.batch) == 1
    seen = []
    forward = context.target_model.outputs

    def short(images):
        seen.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(images)

    monkeypatch.setattr(context.target_model, "outputs", short)
    results = done(context, [1, 2])
    assert not any(image.error for result in results for cell in result.cells for image in cell.images)
    # Once for the first epsilon of the first attack; every score after that is of two images.
    assert seen.count(IMAGES) == 1
    assert set(seen) == {IMAGES, 2}


@dataclass(frozen=True)
class Spoiling(Perturbation):
    """Writes into the images, and goes wrong in one more way."""

    how: str = ""

    def run_epsilons(self, attack_context, budgets):
        for budget in budgets:
            if self.how != "after the last result":
                attack_context.images.mul_(0.5)
            x = attack_context.images + 0.01
            yield budget, x[:, :, 1:] if self.how == "wrong shape" else x
        attack_context.images.mul_(0.5)

    def run(self, attack_context, budget):
        raise NotImplementedError


@pytest.mark.parametrize("how", ["wrong shape", "after the last result", "in each step"])
def test_an_attack_that_writes_into_the_images_fails_alone(context_for, monkeypatch, how):
    known = ATTACKS.get
    monkeypatch.setattr(ATTACKS, "get", lambda name: Spoiling if name == "spoiling" else known(name))
    others = (AttackPlan("gaussian", (4.0,)), AttackPlan("fgsm", (4.0,)), AttackPlan("cospgd", (4.0,)))
    spoiling = AttackPlan("spoiling", (2.0, 4.0), params={"how": how})
    clean, spoilt, *found = done(context_for("toy-single", protocol=Protocol("p", (spoiling, *others))))
    _, *expected = done(context_for("toy-single", protocol=Protocol("p", others)))
    assert all(image.error for cell in spoilt.cells for image in cell.images)
    assert not any(image.error for image in clean.cells[0].images)
    for one, other in zip(found, expected, strict=True):
        assert [cell.images for cell in one.cells] == [cell.images for cell in other.cells]


def test_a_gradient_that_an_attack_does_not_use_does_not_fail_it(context_for):
    plans = (AttackPlan("pgd", (4.0,), params={"random_start": True}), AttackPlan("fgsm", (4.0,)))
    context = context_for("toy-single", protocol=Protocol("p", plans))
    gradient = context.target_model.gradient
    images = [image for batch in read(context, range(IMAGES)).batches for image in batch.images]

    def broken(x, loss):
        is_clean = torch.tensor([any(torch.equal(image, clean) for clean in images) for image in x])
        return torch.where(is_clean.view(-1, 1, 1, 1), torch.nan, gradient(x, loss))

    context.target_model.gradient = broken
    context.target_model.forward_pass = lambda x: ForwardPass(context.target_model, x, context.target_model.outputs(x))
    _, pgd, fgsm = done(context)
    assert not any(image.error for image in pgd.cells[0].images)
    assert any(image.reached for image in pgd.cells[0].images)
    for followed, broken_off in zip(pgd.cells[0].images, fgsm.cells[0].images, strict=True):
        assert ("gradient is not finite" in broken_off.error) == bool(followed.reached)
