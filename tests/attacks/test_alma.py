"""ALMA prox through adv-lib: what it is given, what it gives back, and optima that are known."""

from __future__ import annotations

import math
import sys

import pytest
import torch
from torch import nn

from robustbench_seg.attacks import advlib
from robustbench_seg.attacks.alma import ALMA
from robustbench_seg.classes import VOID
from robustbench_seg.errors import UsageError

needs_advlib = pytest.mark.skipif(not advlib.is_installed(), reason="needs adv-lib: pip install --no-deps adv-lib")
CLASSES = torch.tensor([[0, 0, 2, 2, 2, 1], [0, 3, 3, 2, 2, 1], [4, 3, 3, 0, 0, 1], [4, 4, 0, 0, 1, 1]])
PERSON, CAR = 2, 3


class Logits(nn.Module):
    """The semantic logits alone."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images):
        return self.net(images)["semantic"]


@needs_advlib
def test_it_is_adv_libs_own_on_the_bare_net(worlds):
    world, attack = worlds(2), ALMA(steps=12, share=0.9, alpha=2.0)
    found = attack(world.context(attack, "semantic"), math.inf)
    prox = advlib.load("attacks/segmentation/alma_prox").alma_prox
    for i in range(2):
        label = world.labels["semantic"][i : i + 1]
        expected = prox(
            Logits(world.net),
            world.images[i : i + 1],
            label,
            label != VOID,
            adv_threshold=0.9,
            num_steps=12,
            lr_init=2 / 255,
        )
        torch.testing.assert_close(found[i : i + 1], expected, rtol=0, atol=1e-6)


@needs_advlib
@pytest.mark.slow
def test_a_swap_takes_the_smallest_change(painted):
    """Person and car are .2 apart in one channel, so that each has to move by .1; nothing else is asked for."""
    world, attack = painted(CLASSES), ALMA(steps=300, share=1.0)
    x = attack(world.context(attack, "swap:person,car@semantic"), math.inf)
    predicted = world.target_model.outputs(x)["semantic"].argmax(1)[0]
    assert (predicted[CLASSES == PERSON] == CAR).all()
    assert (predicted[CLASSES == CAR] == PERSON).all()
    assert float((x - world.images).abs().max()) == pytest.approx(0.1, rel=1e-3)


@needs_advlib
@pytest.mark.slow
def test_void_pixels_cost_nothing(painted):
    """A road's nearest border, to persons, is |difference|^2 / 2 |difference|_1 away; what else there is is void."""
    world, attack = painted(CLASSES, torch.where(CLASSES == 0, CLASSES, VOID)), ALMA(steps=300, share=1.0)
    x = attack(world.context(attack, "semantic"), math.inf)
    predicted = world.target_model.outputs(x)["semantic"].argmax(1)[0]
    assert (predicted[CLASSES == 0] != 0).all()
    assert float((x - world.images).abs().max()) == pytest.approx(0.05 / 0.6, rel=0.01)


@needs_advlib
def test_what_cannot_be_reached_is_the_closest_to_it(worlds):
    world = worlds(1)
    wrong = []
    for steps in (2, 30):
        attack = ALMA(steps=steps, share=1.0, alpha=2.0)
        x = attack(world.context(attack, "semantic"), math.inf)
        predicted, label = world.target_model.outputs(x)["semantic"].argmax(1), world.labels["semantic"]
        wrong.append(float((predicted != label)[label != VOID].float().mean()))
    assert wrong[0] < wrong[1] < 1


@needs_advlib
def test_a_net_of_too_few_classes_is_refused_in_one_line(world_of, worlds):
    known = worlds(1)

    class Two(nn.Module):
        def forward(self, images):
            return {"semantic": images[:, :2], "depth": images[:, 0]}

    world = world_of(Two(), known.images, {"semantic": known.images[:, :2].argmax(1), "depth": known.labels["depth"]})
    attack = ALMA(steps=2)
    with pytest.raises(UsageError, match="alma compares 3 classes, and there are 2"):
        attack(world.context(attack, "semantic"), math.inf)


@needs_advlib
def test_a_gradient_that_is_not_finite_is_an_error(world_of, worlds):
    known = worlds(1)

    class Steep(nn.Module):
        def forward(self, images):
            return {"semantic": (images - images.detach()).sqrt() + images.detach(), "depth": images[:, 0]}

    world = world_of(Steep(), known.images, {"semantic": known.images.argmax(1), "depth": known.labels["depth"]})
    attack = ALMA(steps=2)
    with pytest.raises(FloatingPointError, match="the gradient is not finite"):
        attack(world.context(attack, "semantic"), math.inf)


@needs_advlib
def test_a_task_without_classes_is_refused(world):
    with pytest.raises(UsageError, match="alma has no objective 'depth'"):
        ALMA().objectives(["depth"], world.reference().tasks)


def test_without_adv_lib_one_line_says_what_to_run(world, monkeypatch):
    monkeypatch.setattr(advlib, "is_installed", lambda: False)
    with pytest.raises(UsageError, match=r"^alma needs adv-lib; run pip install --no-deps adv-lib$"):
        ALMA().objectives(None, world.reference().tasks)


@needs_advlib
def test_adv_lib_is_loaded_once_and_leaves_no_trace():
    """Neither a stand-in for visdom, nor a warning, nor a draw from the global generator, nor the compiler."""
    for name in [name for name in sys.modules if "adv_lib" in name]:
        del sys.modules[name]
    before, random, compiles = set(sys.modules), torch.get_rng_state(), torch.compile
    made = advlib.load("attacks/segmentation/alma_prox")
    assert advlib.load("attacks/segmentation/alma_prox") is made
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.compile is compiles
    assert not {"visdom", "torch._dynamo"} & (set(sys.modules) - before)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"steps": 1}, "steps 1 must be >= 2"),
        ({"share": 0.0}, "share 0.0 must be"),
        ({"share": 1.5}, "share 1.5 must be"),
        ({"alpha": 0.0}, "alpha 0.0 must be"),
        ({"alpha": math.nan}, "alpha nan must be"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(parameters, message):
    with pytest.raises(UsageError, match=message) as caught:
        ALMA(**parameters)
    assert "\n" not in str(caught.value)
