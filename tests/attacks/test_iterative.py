"""What epsilons share, counted: a run that shares must cost what `gradients` says and give what each epsilon gives."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from robustbench_seg.attacks.budgets import BUDGETS, LEVELS, Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.dag import DAG
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.iterative import random_unit
from robustbench_seg.attacks.pgd import PGD
from tests.attacks import paper

KLINGNER = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
STEPS = (1, 1, 2, 3, 5, 10, 20)


@pytest.mark.parametrize("norm", ["linf", "rms"])
@pytest.mark.parametrize("first", [paper.fgsm(), paper.pgd()], ids=["fgsm first", "pgd first"])
def test_the_klingner_grid_of_fgsm_and_pgd_costs_21_gradients(worlds, norm, first):
    """The longest trajectory has 20; that of epsilon 8 leaves it one step before its end; FGSM's is the first."""
    world = worlds(1)
    context = world.context(paper.pgd(), "semantic")
    for attack in (first, paper.fgsm(), paper.pgd()):
        list(attack.perturb(context, KLINGNER, norm))
        if attack is first:
            assert world.target_model.cost.backwards == (1 if attack == paper.fgsm() else 21)
    # Trajectories are not kept: each PGD costs its own 20, the gradient at the clean images apart.
    assert world.target_model.cost.backwards == (21 if first == paper.fgsm() else 41)
    assert paper.pgd().num_gradients(KLINGNER) == 21
    assert paper.fgsm().num_gradients(KLINGNER) == 1


@pytest.mark.parametrize(
    ("attack", "epsilons", "gradients"),
    [
        (paper.pgd(), (16.0,), 20),
        (paper.pgd(), (0.25, 0.5), 1),
        (paper.pgd(), (4.0, 4.0), 5),
        (paper.pgd(steps=10), (1.0, 4.0), 2 + 8 + 3 + 5),  # leave at 2 and 5 gradients, then 8 and 5 alone
        (paper.pgd(steps=10, alpha=0.1), (1.0, 4.0), 10),
        (paper.pgd(steps=10, alpha=8.0), (1.0, 4.0), 1 + 9 + 9),
        (paper.pgd(random_start=True), KLINGNER, sum(STEPS)),
        (paper.pgd(random_start=True, restarts=3), (1.0, 4.0), 3 * (2 + 5)),
        (DAG(steps=20), (1.0, 4.0, 16.0), 20 + 11 + 17),
        (DAG(steps=20), (math.inf,), 20),
    ],
    ids=str,
)
def test_gradients_foretells_the_count(worlds, attack, epsilons, gradients):
    world = worlds(1)
    assert attack.num_gradients(epsilons) == gradients
    list(attack.perturb(world.context(attack, "semantic"), epsilons))
    if isinstance(attack, PGD):
        assert world.target_model.cost.backwards == gradients


def test_every_gradient_is_one_forward(worlds):
    world = worlds(2)
    context = world.context(paper.pgd(), "semantic")
    before = world.target_model.cost.forwards
    list(paper.pgd().perturb(context, KLINGNER))
    assert world.target_model.cost.forwards - before == world.target_model.cost.backwards == 2 * 21


@pytest.mark.parametrize("norm", ["linf", "rms"])
@pytest.mark.parametrize("attack", [paper.pgd(steps=6, alpha=3.0), DAG(steps=12)], ids=str)
def test_run_alone_gives_what_the_grid_gives(worlds, attack, norm):
    """Authors may build on `run`; its first step already leaves the ball and must be projected."""
    world = worlds(2)
    context = world.context(attack, "semantic")
    for epsilon, x in attack.perturb(context, [2.0, 8.0], norm):
        budget = BUDGETS[norm](world.images, epsilon)
        assert torch.equal(budget.finish(attack.run(context, budget)), x)


@dataclass(frozen=True)
class Proportional(PGD):
    """Steps of a quarter of the epsilon: nothing can be shared, and `max_displacement` must say so."""

    declared: bool = True

    def max_displacement(self, steps: int) -> float:
        return math.inf if self.declared else super().max_displacement(steps)

    def step(self, direction: Tensor, budget: Budget) -> Tensor:
        return direction.sign() * (budget.epsilon / 4 / LEVELS)


def alone(world, attack, epsilon: float) -> Tensor:
    return attack(world.context(attack, "semantic"), epsilon)


def test_steps_that_depend_on_the_epsilon_share_nothing(worlds):
    world = worlds(1)
    attack = Proportional(steps=6)
    context = world.context(attack, "semantic")
    results = dict(attack.perturb(context, KLINGNER))
    # All start at the clean images, whose gradient the problem keeps.
    assert world.target_model.cost.backwards == 1 + 7 * 5
    for epsilon in KLINGNER:
        assert torch.equal(results[epsilon], alone(world, attack, epsilon))


def test_a_move_that_depends_on_the_epsilon_must_say_so(worlds):
    world = worlds(1)
    attack = Proportional(steps=6, alpha=1.0, declared=False)
    with pytest.raises(ValueError, match=r"Proportional\.step depends on epsilon; let `max_displacement` be infinite"):
        list(attack.perturb(world.context(attack, "semantic"), [16.0, 8.0]))


@dataclass(frozen=True)
class Elsewhere(PGD):
    """Starts beside the clean images, and does not say so."""

    def start(self, context: AttackContext, budget: Budget) -> Tensor:
        return (context.images + 1 / LEVELS).clamp(0, 1)


def test_a_start_beside_the_clean_images_must_say_so(worlds):
    world = worlds(1)
    attack = Elsewhere(steps=6, alpha=1.0)
    with pytest.raises(
        ValueError, match=r"Elsewhere\.start is not the clean images; let `max_displacement` be infinite"
    ):
        list(attack.perturb(world.context(attack, "semantic"), [16.0]))


@dataclass(frozen=True)
class Averaged(PGD):
    """What a subclass writes in `run` holds for every epsilon."""

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        return (context.images + super().run(context, budget)) / 2


class Half:
    """The same, from a mixin."""

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        return (context.images + super().run(context, budget)) / 2


@dataclass(frozen=True)
class MixedIn(Half, PGD):
    """A mixin is no `run` of the class itself."""


def test_a_run_of_ones_own_is_run_for_every_epsilon(worlds):
    world = worlds(1)
    for attack in (Averaged(**paper.AS_PUBLISHED), MixedIn(**paper.AS_PUBLISHED)):
        whole, half = (dict(a.perturb(world.context(a, "semantic"), [2.0, 8.0])) for a in (paper.pgd(), attack))
        for epsilon, x in half.items():
            torch.testing.assert_close(x, (world.images + whole[epsilon]) / 2)


@dataclass(frozen=True)
class Momentum(PGD):
    """Keeps what it accumulates on itself."""

    def direction(self, context: AttackContext, x: Tensor, progress: float) -> Tensor:
        total = super().direction(context, x, progress) + self.__dict__.get("total", 0)
        object.__setattr__(self, "total", total)
        return total


def test_what_an_attack_keeps_on_itself_does_not_reach_another_epsilon(worlds):
    world, momentum = worlds(2), Momentum(**paper.AS_PUBLISHED | {"steps": 10})
    results = dict(momentum.perturb(world.context(paper.pgd(), "semantic"), [2.0, 4.0, 8.0]))
    assert not torch.equal(results[8.0], alone(world, paper.pgd(steps=10), 8.0))
    for epsilon, x in results.items():
        assert torch.equal(x, alone(world, momentum, epsilon))


@dataclass(frozen=True)
class Wide(PGD):
    """Moves further than the `max_displacement` it inherits, in `wide` steps and all that follow."""

    wide: int = 1

    def step(self, direction: Tensor, budget: Budget) -> Tensor:
        object.__setattr__(self, "taken", self.__dict__.get("taken", 0) + 1)
        return budget.step(direction, 3 * self.alpha if self.__dict__["taken"] >= self.wide else self.alpha)


@pytest.mark.parametrize("norm", ["linf", "rms"])
@pytest.mark.parametrize(("wide", "seen"), [(1, 1), (4, 8)])
def test_a_move_beyond_reach_is_refused(worlds, norm, wide, seen):
    """At the first step, or at the last at which the ball of the smallest epsilon cannot have been touched."""
    world = worlds(2)
    attack = Wide(steps=20, alpha=1.0, wide=wide)
    with pytest.raises(ValueError, match=rf"Wide moved further than `max_displacement` says in {seen} step\(s\)"):
        list(attack.perturb(world.context(paper.pgd(), "semantic"), [8.0, 16.0], norm))


@pytest.mark.parametrize("norm", ["linf", "rms"])
def test_rounding_is_not_taken_for_a_move_beyond_reach(worlds, norm):
    """Steps far smaller than what an image's values resolve exactly."""
    world = worlds(2)
    results = dict(paper.pgd(steps=20, alpha=1e-3).perturb(world.context(paper.pgd(), "semantic"), [2.0, 8.0], norm))
    assert len(results) == 2


def test_random_starts_differ_from_clean_starts_and_share_one_draw(worlds):
    world = worlds(2)
    attack = paper.pgd(steps=1, alpha=1e-6, random_start=True)
    context = world.context(attack, "semantic")
    small, large = (attack(context, epsilon) - world.images for epsilon in (2.0, 8.0))
    torch.testing.assert_close(4 * small, large, rtol=0, atol=1e-6)
    assert (small.abs() * 255).amax() == pytest.approx(2, rel=0.01)


def test_random_unit_is_uniform_and_depends_on_the_purpose(worlds):
    context = worlds(2, height=64, width=64).context(paper.pgd(), None)
    draw = random_unit(context, "start 0")
    assert draw.shape == (2, 3, 64, 64)
    assert -1 <= draw.min() < -0.999
    assert 0.999 < draw.max() <= 1
    assert draw.mean().abs() < 0.02
    assert draw.square().mean() == pytest.approx(1 / 3, rel=0.02)
    assert not torch.equal(draw, random_unit(context, "start 1"))


class Constant(nn.Module):
    """A net whose outputs are the same whatever it sees."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        nothing = 0 * images.mean(1, keepdim=True)
        return {"semantic": nothing.expand(-1, 5, -1, -1), "depth": 5 + nothing[:, 0]}


@pytest.mark.parametrize("attack", [paper.pgd(), paper.pgd(random_start=True), DAG(), paper.fgsm()], ids=str)
@pytest.mark.parametrize("norm", ["linf", "rms"])
def test_without_a_gradient_the_attack_ends_at_once(world_of, worlds, attack, norm):
    reference = worlds(2)
    labels = {"semantic": torch.zeros_like(reference.labels["semantic"]), "depth": reference.labels["depth"]}
    world = world_of(Constant(), reference.images, labels)
    context = world.context(attack, "semantic")
    results = dict(attack.perturb(context, [2.0, 16.0], norm))
    starts = 2 if getattr(attack, "random_start", False) else 1
    assert world.target_model.cost.backwards == starts * 2
    if starts == 1:
        assert all(torch.equal(x, reference.images) for x in results.values())


def test_an_image_without_gradient_does_not_hold_up_the_others(worlds):
    world = worlds(3)
    world.labels["semantic"][0] = 255
    together, parted = (alone(part, paper.pgd(), 8.0) for part in (world, world.part([1])))
    assert torch.equal(together[1], parted[0])
    assert not torch.equal(parted[0], world.images[1])


def test_hiding_shares_like_pgd():
    assert paper.hide().num_gradients(KLINGNER) == paper.pgd().num_gradients(KLINGNER)


@pytest.mark.parametrize("epsilon", KLINGNER)
def test_what_is_called_the_same_is_the_same_to_the_bit(worlds, epsilon):
    """On the images that there are: 8 bits a value."""
    world = worlds(2)
    world.images.mul_(255).round_().div_(255)
    for norm in ("linf", "rms"):
        for alpha in (0.25, 1.0, 4.0, 16.0):
            names = [attack.cache_key(epsilon, norm) for attack in (paper.fgsm(), paper.pgd(steps=1, alpha=alpha))]
            results = [
                attack(world.context(attack, "semantic"), epsilon, norm)
                for attack in (paper.fgsm(), paper.pgd(steps=1, alpha=alpha))
            ]
            assert (names[0] == names[1]) == (norm == "linf" and alpha >= epsilon)
            assert torch.equal(*results) or names[0] != names[1]


def test_what_only_looks_alike_has_no_name():
    assert paper.pgd(steps=2).cache_key(0.5, "linf") is None
    assert paper.pgd(steps=1, random_start=True).cache_key(0.5, "linf") is None
    assert paper.pgd(steps=1, alpha=0.4).cache_key(0.5, "linf") is None
    assert paper.pgd(steps=1).cache_key(0.5, "rms") is None
    assert (
        paper.pgd(steps=1).cache_key(0.5, "linf")
        == paper.fgsm().cache_key(0.5, "linf")
        != paper.fgsm().cache_key(1.0, "linf")
    )


@dataclass(frozen=True)
class Backwards(PGD):
    """PGD down the loss: nobody's equal."""

    def direction(self, context, x: Tensor) -> Tensor:
        return -super().direction(context, x)


@dataclass(frozen=True)
class HalfStep(FGSM):
    """Half a step."""

    def run(self, context, budget: Budget) -> Tensor:
        return (context.images + super().run(context, budget)) / 2


def test_a_subclass_is_not_the_same():
    assert Backwards(steps=1).cache_key(0.5, "linf") is None
    assert HalfStep().cache_key(0.5, "linf") is None


def test_a_gradient_that_is_written_into_stays_what_it_was(worlds):
    context = worlds(2).context(paper.pgd(), "semantic")
    first = context.gradient(context.images)
    expected = first.clone()
    first.neg_()
    assert torch.equal(context.gradient(context.images), expected)


@dataclass(frozen=True)
class Lost(PGD):
    """A direction that is no number from the second step on."""

    def direction(self, context, x, progress):
        return super().direction(context, x, progress) * (math.nan if progress > 0 else 1.0)


@pytest.mark.parametrize("norm", ["linf", "rms"])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_direction_that_is_no_number_is_said(world, norm, alpha):
    attack = Lost(steps=4, alpha=alpha)
    with pytest.raises(FloatingPointError, match="direction"):
        attack(world.context(attack, "semantic"), 4.0, norm)
