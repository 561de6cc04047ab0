"""torchattacks: FGSM and PGD are ours, every other class keeps its ball and leaves all as it was, or is refused."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
import torchattacks
from torch import Tensor, nn

from robustbench_seg.attacks.registry import ATTACKS, make_attack
from robustbench_seg.attacks.sources.base import Refused
from robustbench_seg.attacks.sources.torchattacks import Torchattacks
from robustbench_seg.classes import VOID
from robustbench_seg.errors import UsageError
from tests.attacks import paper

KNOWN = Torchattacks.attacks
WORKING = [name for name, how in KNOWN.items() if not isinstance(how, Refused)]
CLASSIFYING = [name for name in KNOWN if name not in {*WORKING, "VANILA", "GN", "DIFGSM", "MultiAttack", "LGV"}]
FEW = {"steps": 3, "num_iter_set": 3}
EPSILON = 4.0


def few(name: str, **more: object):
    """The attack with few steps."""
    fields = ATTACKS.get(f"torchattacks:{name}").__dataclass_fields__
    return make_attack(f"torchattacks:{name}", {key: FEW[key] for key in FEW if key in fields} | more)


def perturbed(world, attack, epsilon: float = EPSILON) -> Tensor:
    return attack(world.context(attack, "semantic"), epsilon)


def without_void(world):
    labels = world.labels["semantic"]
    world.labels = {**world.labels, "semantic": torch.where(labels == VOID, 0, labels)}
    return world


@pytest.mark.parametrize("prepared", [lambda world: world, without_void], ids=["void", "no void"])
@pytest.mark.parametrize("epsilon", [0.25, 2.0, 8.0])
def test_fgsm_is_ours(world, prepared, epsilon):
    world = prepared(world)
    ours = perturbed(world, paper.fgsm(), epsilon)
    torch.testing.assert_close(perturbed(world, few("FGSM"), epsilon), ours, rtol=0, atol=1e-6)


@pytest.mark.parametrize("prepared", [lambda world: world, without_void], ids=["void", "no void"])
@pytest.mark.parametrize("epsilon", [0.25, 2.0, 8.0])
def test_pgd_is_ours(world, prepared, epsilon):
    world = prepared(world)
    parameters = {"steps": 7, "alpha": "0.25 eps"}
    ours = perturbed(world, make_attack("pgd", parameters | {"scale_free": False}), epsilon)
    theirs = few("PGD", **parameters, random_start=False)
    torch.testing.assert_close(perturbed(world, theirs, epsilon), ours, rtol=0, atol=1e-6)


def test_pgd_on_the_sphere_is_ours(world):
    ours = make_attack("pgd", {"steps": 5, "alpha": "0.2 eps", "scale_free": False})
    ours = ours(world.context(ours, "semantic"), EPSILON, "rms")
    theirs = few("PGDL2", steps=5, random_start=False, eps_for_division=0.0)
    torch.testing.assert_close(perturbed(world, theirs), ours, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["PGD", "VMIFGSM", "FFGSM"])
def test_defaults_are_the_librarys_at_its_own_epsilon(worlds, name):
    """At 8/255 a share of epsilon is just the step size of the library."""
    world = without_void(worlds(1))
    attack = make_attack(f"torchattacks:{name}", {"random_start": False} if name == "PGD" else {})

    class Logits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = world.net

        def forward(self, images: Tensor) -> Tensor:
            return self.net(images)["semantic"]

    draw = int(world.context(attack, "semantic").generators(attack.name)[0].integers(2**63))
    torch.manual_seed(draw)
    given = {"random_start": False} if name == "PGD" else {}
    expected = getattr(torchattacks, name)(Logits(), **given)(world.images, world.labels["semantic"])
    torch.testing.assert_close(perturbed(world, attack, 8.0), expected, rtol=0, atol=1e-6)


def test_every_class_is_known():
    assert set(KNOWN) == set(torchattacks.__all__)


@pytest.mark.parametrize("name", WORKING)
def test_a_class_keeps_its_ball_and_leaves_all_as_it_was(worlds, name):
    world, attack = worlds(2), few(name)
    net = world.net.train()
    net.first.weight.grad = torch.ones_like(net.first.weight)
    net.last.weight.requires_grad_(False)
    hooked: list[int] = []
    net.drop.register_forward_hook(lambda *_: hooked.append(1))
    state = {key: value.clone() for key, value in net.state_dict().items()}
    random_states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    kept = world.images.clone()
    context = world.context(attack, "semantic")
    x = attack(context, EPSILON)
    assert torch.equal(world.images, kept)
    assert all(torch.equal(value, state[key]) for key, value in net.state_dict().items())
    assert all(part.training for part in net.modules())
    assert [name for name, p in net.named_parameters() if not p.requires_grad] == ["last.weight"]
    assert torch.equal(net.first.weight.grad, torch.ones_like(net.first.weight))
    assert net.last.weight.grad is None
    assert len(net.drop._forward_hooks) == 1
    assert not net._forward_hooks
    assert hooked
    assert torch.equal(torch.get_rng_state(), random_states[0])
    assert np.array_equal(np.random.get_state()[1], random_states[1])
    assert random.getstate() == random_states[2]
    assert x.min() >= 0
    assert x.max() <= 1
    delta = (x - kept) * 255
    if KNOWN[name].norm == "linf":
        assert EPSILON / 2 < delta.abs().max() < EPSILON + 1e-4
    else:
        torch.testing.assert_close(delta.square().mean((1, 2, 3)).sqrt(), torch.full((2,), EPSILON))
    assert context.reached().all()
    if name != "TPGD":  # moves away from the prediction, whatever the label
        assert (context.loss(x) > context.loss(kept)).all()


@pytest.mark.parametrize("name", WORKING)
def test_an_image_is_the_same_alone_in_another_order_and_in_any_random_state(world, name):
    attack = few(name)
    together = perturbed(world, attack)
    random.seed(1)
    torch.manual_seed(1)
    np.random.seed(1)
    assert torch.equal(perturbed(world.part([2, 0]), attack), together[[2, 0]])


def test_random_numbers_are_of_the_seed_and_the_image(world):
    attack = few("FFGSM")
    first = perturbed(world, attack)
    world.seed = 1
    assert not torch.equal(perturbed(world, attack), first)
    world.images = world.images[:1].repeat(3, 1, 1, 1)
    world.labels = {key: value[:1].expand(3, *value.shape[1:]) for key, value in world.labels.items()}
    x = perturbed(world, attack)
    assert not torch.equal(x[0], x[1])


@pytest.mark.parametrize("name", WORKING)
def test_it_costs_what_is_foretold(worlds, name):
    attack, world = few(name), worlds(1)
    context = world.context(attack, "semantic")
    before = world.target_model.cost
    list(attack.perturb(context, [0.0, 2.0, 4.0]))
    after = world.target_model.cost
    gradients, forwards = after.backwards - before.backwards, after.forwards - before.forwards
    assert (gradients, forwards - gradients) == (attack.num_gradients([0, 2, 4]), attack.num_forwards([0, 2, 4]))


class Blanked(nn.Module):
    """The net, whose logits at some pixels are large and say nothing of the image."""

    def __init__(self, net: nn.Module, where: Tensor) -> None:
        super().__init__()
        self.net, self.where = net, where

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        out = self.net(images)
        blank = 1000.0 * torch.arange(5).view(1, 5, 1, 1)
        return {**out, "semantic": torch.where(self.where, blank, out["semantic"])}


@pytest.mark.parametrize("name", WORKING)
def test_void_pixels_do_not_count(worlds, name):
    world, attack = worlds(1), few(name)
    expected = perturbed(world, attack)
    blanked = worlds(1)
    blanked.net = Blanked(world.net, world.labels["semantic"] == VOID)
    torch.testing.assert_close(perturbed(blanked, attack), expected, rtol=0, atol=1e-6)


def test_an_image_that_is_all_void_stays_as_it_is(worlds):
    world = worlds(2)
    world.labels["semantic"][1] = VOID
    x = perturbed(world, few("PGD"))
    assert not torch.equal(x[0], world.images[0])
    assert torch.equal(x[1], world.images[1])


@pytest.mark.parametrize("name", [name for name in KNOWN if name not in WORKING])
def test_the_others_are_refused_with_the_reason(name):
    with pytest.raises(UsageError) as raised:
        make_attack(f"torchattacks:{name}", {})
    assert str(raised.value).startswith(f"torchattacks:{name} does not work on dense labels: it {KNOWN[name].reason}")
    assert "\n" not in str(raised.value)
    assert f"torchattacks:{name}" not in ATTACKS


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", CLASSIFYING)
def test_those_that_classify_fail_on_dense_labels(name):
    """They are refused for that: on the bare library maps of logits and labels raise."""

    class Map(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 5, 1)

        def forward(self, images: Tensor) -> Tensor:
            return self.layer(images)

    torch.manual_seed(0)
    images = torch.rand(1, 3, 12, 12)
    labels = Map()(images).argmax(1)
    with pytest.raises((RuntimeError, IndexError, ValueError)):
        getattr(torchattacks, name)(Map())(images, labels)
