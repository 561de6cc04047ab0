from __future__ import annotations

import math

import pytest
import torch

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.objectives.base import AdversarialLoss
from robustbench_seg.randomness import generator


def test_a_stream_depends_on_seed_and_names_alone():
    def draw(seed, *names):
        return generator(seed, *names).integers(0, 2**63, 4).tolist()

    assert draw(0, "a", "b") == draw(0, "a", "b")
    others = [draw(1, "a", "b"), draw(0, "b", "a"), draw(0, "ab"), draw(0, "a"), draw(0, "a b"), draw(0, "a", "b", "")]
    assert draw(0, "a", "b") not in others
    assert len({tuple(other) for other in others}) == len(others)


def test_streams_are_the_same_on_every_machine_and_version():
    """Runs are compared across both; NumPy itself promises this only of the bits, not of the normals."""
    bits = generator(0, "street/val/000", "gaussian").integers(0, 2**32, 3)
    assert bits.tolist() == [1119552311, 3791454882, 171326774]
    normals = generator(7, "x").standard_normal(2, dtype="float32")
    assert normals.tolist() == pytest.approx([1.0567325353622437, -1.144627571105957], abs=1e-6)


def test_the_gradient_at_the_clean_images_is_taken_once(world):
    context = world.context(FGSM(), "semantic")
    first = context.gradient(context.images)
    assert torch.equal(context.gradient(context.images), first)
    assert world.target_model.cost.backwards == len(world.images)
    torch.testing.assert_close(context.gradient(context.images.clone()), first, rtol=0, atol=0)
    assert world.target_model.cost.backwards == 2 * len(world.images)


def test_the_gradient_is_each_images_own(world):
    context = world.context(FGSM(), "semantic")
    together = context.gradient(context.images)
    for i in range(len(world.images)):
        part = world.part([i])
        alone = part.context(FGSM(), "semantic").gradient(part.images)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-6)


def test_the_gradient_is_that_of_the_loss(world):
    """Against central differences along a random direction."""
    world.net.double()
    world.images = world.images.double()
    context = world.context(FGSM(), "depth")
    direction = torch.randn(3, 3, 16, 24, generator=torch.Generator().manual_seed(0)).double()
    ahead, behind = (context.loss(context.images + step * direction) for step in (1e-3, -1e-3))
    along = (context.gradient(context.images) * direction).sum((1, 2, 3))
    torch.testing.assert_close(along, ((ahead - behind) / 2e-3).double(), rtol=2e-2, atol=1e-3)


@pytest.mark.parametrize("factor", [math.nan, math.inf])
def test_what_is_not_finite_is_no_direction(world, factor):
    known = world.context(FGSM(), "semantic")
    adversarial_loss = AdversarialLoss(lambda outputs: known._adversarial_loss.loss(outputs) * factor, known.attackable)
    context = AttackContext(world.images, known.ids, target_model=world.target_model, adversarial_loss=adversarial_loss)
    assert not context.gradient(context.images).any()
    with pytest.raises(FloatingPointError, match="gradient"):
        context.settle()
    context.settle()  # it is said once
    assert not context.gradient(context.images).any()
    with pytest.raises(FloatingPointError, match="gradient"):
        context.settle()  # but to all that start from it
    loss = context.loss(context.images)
    if math.isnan(factor):
        with pytest.raises(FloatingPointError, match="loss"):
            context.settle()
    else:
        assert loss.isinf().all()
        context.settle()


def test_one_image_without_a_finite_gradient_leaves_the_others_theirs(world):
    known = world.context(FGSM(), "semantic")
    factor = torch.tensor([1.0, math.nan, 1.0])
    adversarial_loss = AdversarialLoss(lambda outputs: known._adversarial_loss.loss(outputs) * factor, known.attackable)
    context = AttackContext(world.images, known.ids, target_model=world.target_model, adversarial_loss=adversarial_loss)
    gradient, whole = context.gradient(context.images), known.gradient(known.images)
    assert torch.equal(gradient[[0, 2]], whole[[0, 2]])
    assert not gradient[1].any()
    assert context.reached().tolist() == [True, False, True]


def test_images_that_a_block_changed_are_put_back(world):
    context = world.context(FGSM(), "semantic")
    kept = context.images.clone()

    def spoil(error=None):
        with context.frozen():
            context.images.mul_(0.5)
            found.append(context.gradient(context.images))
            if error:
                raise error

    found = []
    spoil()
    with pytest.raises(ValueError, match="in place"):
        context.settle()
    assert torch.equal(context.images, kept)
    assert not torch.equal(context.gradient(context.images), found[0])
    with pytest.raises(RuntimeError, match="first"):
        spoil(RuntimeError("first"))
    assert torch.equal(context.images, kept)


def test_images_without_a_target_have_no_gradient(world):
    world.labels["semantic"][1] = 255
    context = world.context(FGSM(), "semantic")
    assert context.attackable.tolist() == [True, False, True]
    assert [bool(gradient.any()) for gradient in context.gradient(context.images)] == [True, False, True]


def test_a_goal_may_leave_out_images_that_have_a_loss(world):
    adversarial_loss = AdversarialLoss(
        lambda outputs: outputs["depth"].flatten(1).sum(1), torch.tensor([False, True, True])
    )
    context = AttackContext(world.images, world.ids, target_model=world.target_model, adversarial_loss=adversarial_loss)
    assert [bool(gradient.any()) for gradient in context.gradient(context.images)] == [False, True, True]


def test_without_a_goal_every_image_is_active(world):
    assert AttackContext(world.images, world.ids).attackable.tolist() == [True, True, True]


def test_a_noise_problem_has_no_gradient(world):
    context = AttackContext(world.images, world.ids)
    for ask in (context.gradient, context.loss):
        with pytest.raises(ValueError, match="no model to ask"):
            ask(context.images)


@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 4, 4, 5), (3, 3, 4, 5)], ids=str)
def test_images_of_a_wrong_shape_are_refused(shape):
    with pytest.raises(ValueError, match="images must be"):
        AttackContext(torch.zeros(shape), ["a", "b"])


def test_harm_is_the_loss_unless_that_falls_as_predictions_get_worse(world):
    plain, masked = (world.context(attack, "semantic") for attack in (FGSM(), FGSM(loss="masked_ce")))
    worse = FGSM()(plain, 16.0)
    assert torch.equal(plain.harm(worse), plain.loss(worse))
    assert (masked.harm(worse) > masked.harm(world.images)).all()
    wrong = world.target_model.outputs(worse)["semantic"].argmax(1) != world.labels["semantic"]
    known = world.labels["semantic"] != 255
    share = (wrong & known).flatten(1).sum(1) / known.flatten(1).sum(1)
    torch.testing.assert_close(masked.harm(worse), share - 1)
