from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from robustbench_seg.attacks.pgd import PGD, Hide, SegPGD, kurakin_steps
from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.errors import UsageError
from tests.attacks import paper
from tests.attacks.linear import OPTIMA, linear_problem

EPSILONS = (0.25, 0.5, 1, 2, 4, 8, 16)
STEPS = (1, 1, 2, 3, 5, 10, 20)


@pytest.mark.parametrize(("epsilon", "steps"), list(zip(EPSILONS, STEPS, strict=True)))
def test_kurakins_table(epsilon, steps):
    assert kurakin_steps(epsilon) == paper.pgd().num_steps(epsilon) == steps
    assert paper.pgd(steps=7).num_steps(epsilon) == 7


@pytest.mark.parametrize(("epsilon", "steps"), [(1e-3, 1), (0.8, 1), (0.81, 2), (32, 36), (255, 259)])
def test_kurakins_rule_beyond_the_table(epsilon, steps):
    assert kurakin_steps(epsilon) == steps


@pytest.fixture
def weight():
    return torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(0))


RUNS = [paper.pgd(), paper.pgd(steps=40, alpha=2.55), paper.pgd(steps=60, alpha=8.0, random_start=True)]


@pytest.mark.parametrize("norm", OPTIMA)
@pytest.mark.parametrize("epsilon", EPSILONS)
@pytest.mark.parametrize("attack", RUNS, ids=str)
def test_pgd_reaches_a_linear_models_optimum(weight, norm, epsilon, attack):
    images = torch.full((2, 3, 6, 8), 0.5)
    x = attack(linear_problem(weight, images), epsilon, norm)
    optimum = OPTIMA[norm](weight, epsilon).expand(2, -1, -1, -1)
    torch.testing.assert_close((x - images) * 255, optimum, rtol=0, atol=5e-4)


@pytest.mark.parametrize("norm", OPTIMA)
def test_pgd_reaches_the_optimum_at_the_edge_of_the_range(weight, norm):
    """Values that would leave the range stay; on the sphere the others take their share."""
    images = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(1)).round()
    found = paper.pgd(steps=100)(linear_problem(weight, images), 16.0, norm)
    inwards = torch.where(images == (weight > 0), torch.zeros_like(weight), weight)
    if norm == "linf":
        expected = 16 * inwards.sign()
    else:
        expected = 16 * inwards / inwards.square().mean().sqrt()
    torch.testing.assert_close((found - images) * 255, expected, rtol=0, atol=0.02)


@pytest.mark.parametrize("norm", OPTIMA)
def test_pgd_is_stronger_than_its_own_single_step(world, norm):
    context = world.context(paper.pgd(), "semantic")
    one, many = (context.loss(paper.pgd(steps=steps, alpha=1.0)(context, 4.0, norm)) for steps in (1, 10))
    assert (many > one).all()


def test_alpha_is_the_size_of_a_step(world):
    for norm, size in (("linf", lambda d: d.abs().max()), ("rms", lambda d: d.square().mean().sqrt())):
        x = paper.pgd(steps=1, alpha=0.5)(world.context(paper.pgd(), "semantic"), 4.0, norm)
        expected = 0.5 if norm == "linf" else 4.0  # the sphere scales what is found
        assert size((x - world.images)[0] * 255) == pytest.approx(expected, rel=1e-3)


def test_alpha_may_be_a_share_of_epsilon(world):
    shared, fixed = (make_attack("pgd", {"steps": 5, "alpha": alpha}) for alpha in ("0.5 eps", 2.0))
    assert shared.step_size(4.0) == fixed.step_size(4.0) == 2.0
    context = world.context(fixed, "semantic")
    assert torch.equal(shared(context, 4.0), fixed(context, 4.0))
    for text in ("half eps", "eps", "-1 eps", "0 eps", "inf eps", "1/4", "nan"):
        with pytest.raises(UsageError, match="alpha"):
            make_attack("pgd", {"alpha": text})


@pytest.mark.parametrize("attack", [SegPGD, partial(PGD, loss="segpgd")])
def test_a_loss_that_changes_on_the_way_is_each_epsilons_own(world, attack):
    """By Kurakin's rule ε = 4 takes 5 steps and ε = 8 takes 10, so a step is another share of them."""
    attack = attack(steps=0, alpha=1.0)
    together = dict(attack.perturb(world.context(attack, "semantic"), (4.0, 8.0), "linf"))
    for epsilon, x in together.items():
        assert torch.equal(attack(world.context(attack, "semantic"), epsilon, "linf"), x)
    assert attack.num_gradients((4.0, 8.0)) == 5 + 10 - 1


def test_a_random_start_stays_in_the_ball_and_follows_the_seed(world):
    attack = paper.pgd(random_start=True)
    first = attack(world.context(attack, "semantic"), 2.0)
    assert ((first - world.images).abs() * 255).max() <= 2 * (1 + 1e-5)
    assert torch.equal(attack(world.context(attack, "semantic"), 2.0), first)
    world.seed = 1
    assert not torch.equal(attack(world.context(attack, "semantic"), 2.0), first)


def test_restarts_keep_the_highest_loss_of_each_image(worlds):
    world = worlds(8)
    losses = []
    for restarts in (1, 2, 4):
        attack = paper.pgd(steps=2, random_start=True, restarts=restarts)
        context = world.context(attack, "semantic")
        losses.append(context.loss(attack(context, 8.0)))
    assert (losses[1] >= losses[0]).all()
    assert (losses[2] >= losses[1]).all()
    assert (losses[2] > losses[0]).any()
    assert (losses[2] == losses[1]).any(), "not the last one, the best one"


@pytest.mark.parametrize("norm", OPTIMA)
def test_hiding_reaches_the_filled_in_prediction(painted, norm):
    """A person between road and building: at the optimum it is road on the left and building on the right."""
    classes = torch.tensor([[0, 0, 0, 1, 1, 1], [0, 2, 2, 2, 2, 1], [0, 2, 2, 2, 2, 1], [0, 0, 0, 1, 1, 1]])
    world = painted(classes)
    x = Hide(steps=40)(world.context(paper.hide(), "hide:person@semantic"), 30.0, norm)
    expected = torch.tensor([[0, 0, 0, 1, 1, 1]]).expand(4, 6)
    assert torch.equal(world.target_model.outputs(x)["semantic"].argmax(1)[0], expected)


@pytest.mark.parametrize("attack", [PGD, Hide])
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"steps": -1}, "steps -1 must be >= 0"),
        ({"alpha": -2.0}, "alpha -2.0 must be a number >= 0"),
        ({"alpha": math.nan}, "alpha nan must be a number >= 0"),
        ({"alpha": math.inf}, "alpha inf must be a number >= 0"),
        ({"restarts": 0}, "restarts 0 must be >= 1"),
        ({"restarts": 2}, "restarts 2 must be >= 1, and 1 unless random_start"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(attack, parameters, message):
    with pytest.raises(UsageError, match=message) as caught:
        attack(**parameters)
    assert "\n" not in str(caught.value)
