"""SegPGD and CosPGD equal the papers' algorithms, written out in plain torch on a small convolutional net."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from robustbench_seg.attacks.objectives.hide import fill_from_nearest
from robustbench_seg.attacks.pgd import PGD, CosPGD, SegPGD
from robustbench_seg.classes import VOID
from robustbench_seg.tasks.semantic_losses import LOGIT_GAP

STEPS, ALPHA, EPSILON = 8, 1.0, 4.0
PERSON = 2


def ascend(images: Tensor, loss) -> Tensor:
    """X <- clip(X + alpha sign(grad L)) into the ball and the range; `loss(X, t)` at step t of T."""
    x = images
    for t in range(STEPS):
        x = x.detach().requires_grad_(True)
        (gradient,) = torch.autograd.grad(loss(x, t), x)
        x = x.detach() + ALPHA / 255 * gradient.sign()
        x = torch.maximum(torch.minimum(x, images + EPSILON / 255), images - EPSILON / 255).clamp(0, 1)
    return x


def segpgd(logits: Tensor, label: Tensor, t: int, targeted: bool = False) -> Tensor:
    """Gu et al. 2022: (1 - lambda) / HW sum over P_T of CE + lambda / HW sum over P_F, lambda(t) = t / 2T."""
    share = t / (2 * STEPS)
    cost = F.cross_entropy(logits, label, ignore_index=VOID, reduction="none")
    right = logits.argmax(1) == label
    right, wrong = (right, ~right) if not targeted else (~right, right)
    return ((1 - share) * cost[right].sum() + share * cost[wrong].sum()) / label[0].numel()


def cospgd(logits: Tensor, label: Tensor, t: int, targeted: bool = False) -> Tensor:
    """Agnihotri et al. 2024: the sum of cos(softmax(f(X)), onehot(Y)) CE(f(X), Y), 1 - cos where targeted."""
    known = label != VOID
    one_hot = F.one_hot(torch.where(known, label, 0), logits.shape[1]).permute(0, 3, 1, 2).float()
    similarity = F.cosine_similarity(logits.softmax(1), one_hot, dim=1).detach()
    weight = 1 - similarity if targeted else similarity
    return (weight * F.cross_entropy(logits, label, ignore_index=VOID, reduction="none"))[known].sum()


CASES = [pytest.param(SegPGD, segpgd, id="segpgd"), pytest.param(CosPGD, cospgd, id="cospgd")]


@pytest.mark.parametrize(("attack", "loss"), CASES)
def test_untargeted(world, attack, loss):
    made = attack(steps=STEPS, alpha=ALPHA, scale_free=False)
    label = world.labels["semantic"]
    expected = ascend(world.images, lambda x, t: loss(world.net(x)["semantic"], label, t))
    torch.testing.assert_close(made(world.context(made, "semantic"), EPSILON), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("attack", "loss"), CASES)
def test_free_of_scale_logits_have_the_same_clean_gap_in_every_image(world, attack, loss):
    made = attack(steps=STEPS, alpha=ALPHA)
    label = world.labels["semantic"]
    first, second = world.target_model.outputs(world.images)["semantic"].topk(2, 1).values.unbind(1)
    factor = LOGIT_GAP / (first - second).mean((1, 2)).view(-1, 1, 1, 1)
    expected = ascend(world.images, lambda x, t: loss(factor * world.net(x)["semantic"], label, t))
    torch.testing.assert_close(made(world.context(made, "semantic"), EPSILON), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("attack", "loss"), CASES)
def test_targeted(world, attack, loss):
    """Towards the clean prediction with persons filled in: the weights are swapped, and the loss descended."""
    made = attack(steps=STEPS, alpha=ALPHA, scale_free=False)
    clean = world.target_model.outputs(world.images)["semantic"].argmax(1)
    target = fill_from_nearest(clean, clean == PERSON)
    assert (clean == PERSON).flatten(1).any(1).all()
    expected = ascend(world.images, lambda x, t: -loss(world.net(x)["semantic"], target, t, targeted=True))
    torch.testing.assert_close(made(world.context(made, "hide:person@semantic"), EPSILON), expected, rtol=0, atol=1e-6)


def test_cospgd_of_depth(world):
    """Ours: min(d/t, t/d) in place of the cosine, which is 1 for one channel, and |log d - log t| in place of CE."""
    made = CosPGD(steps=STEPS, alpha=ALPHA)
    label = world.labels["depth"]
    known = label > 0

    def loss(x, t):
        ratio = world.net(x)["depth"][known] / label[known]
        weight = torch.minimum(ratio, 1 / ratio).detach()
        return (weight * ratio.log().abs()).sum()

    torch.testing.assert_close(
        made(world.context(made, "depth"), EPSILON), ascend(world.images, loss), rtol=0, atol=1e-6
    )


def test_one_form_is_not_the_other(world):
    attacks = [attack(steps=STEPS, alpha=ALPHA) for attack in (PGD, SegPGD, CosPGD)]
    results = [attack(world.context(attack, "semantic"), EPSILON) for attack in attacks]
    for one, other in itertools.combinations(results, 2):
        assert ((one - other).abs() > 1e-4).float().mean() > 0.05
