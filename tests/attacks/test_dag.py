"""DAG on a linear classifier of each pixel: what it changes, and after how many steps, is known."""

from __future__ import annotations

import math

import pytest
import torch

from robustbench_seg.attacks.dag import DAG
from robustbench_seg.attacks.objectives.parse import parse_objective
from robustbench_seg.errors import UsageError

PERSON, CAR, ROAD = 2, 3, 0
CLASSES = torch.tensor([[0, 0, 2, 2, 2, 1], [0, 3, 3, 2, 2, 1], [4, 3, 3, 0, 0, 1], [4, 4, 0, 0, 1, 1]])


def predicted(world, x):
    return world.target_model.outputs(x)["semantic"].argmax(1)[0]


def targets_changed(world, attack, objective, x):
    return {
        key: int(value)
        for key, value in world.adversarial_loss(attack, objective).outcome(world.target_model.outputs(x)).items()
    }


def test_swapping_changes_exactly_the_targets(painted):
    world = painted(CLASSES)
    attack = DAG()
    x = attack(world.context(attack, "swap:person,car@semantic"), math.inf)
    targets = (CLASSES == PERSON) | (CLASSES == CAR)
    expected = torch.where(CLASSES == PERSON, CAR, torch.where(CLASSES == CAR, PERSON, CLASSES))
    assert torch.equal(predicted(world, x), expected)
    moved = (x != world.images).any(1)[0]
    assert torch.equal(moved, targets)


@pytest.mark.parametrize("gamma", [0.5, 2.0, 7.0])
def test_swapping_takes_the_known_number_of_steps(painted, gamma):
    """Person and car are .2 apart in one channel; the border is at .1, and every step moves it by gamma / 255."""
    world = painted(CLASSES)
    attack = DAG(gamma=gamma)
    x = attack(world.context(attack, "swap:person,car@semantic"), math.inf)
    steps = math.ceil(0.1 * 255 / gamma)
    assert world.target_model.cost.backwards == steps + 1, "one more gradient finds no target left"
    moved = (x - world.images).abs()[0, 1] * 255
    targets = (CLASSES == PERSON) | (CLASSES == CAR)
    torch.testing.assert_close(moved[targets], torch.full_like(moved[targets], steps * gamma), rtol=1e-4, atol=0)


@pytest.mark.parametrize("norm", ["none", "linf", "rms"])
def test_a_step_is_the_gradient_over_its_largest_value(world, norm):
    """The same in every budget: what differs is where it ends."""
    attack = DAG(steps=1, gamma=0.5)
    adversarial_loss = world.adversarial_loss(attack, "semantic")
    images = world.images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(adversarial_loss.loss(world.net(images)).sum(), images)
    expected = 0.5 * gradient / gradient.abs().amax((1, 2, 3), keepdim=True)
    x = attack(world.context(attack, "semantic"), math.inf if norm == "none" else 0.5, norm)
    moved = (x - world.images) * 255
    if norm == "rms":
        moved = moved / moved.abs().amax((1, 2, 3), keepdim=True) / 2
    torch.testing.assert_close(moved, expected, rtol=0, atol=1e-4)


def test_pixels_that_have_changed_are_left_alone(painted):
    """A pixel nearer to the border changes earlier and stops there, while the others go on."""
    world = painted(CLASSES)
    world.images[0, 1, 0, 2] += 0.06  # a person, almost a car
    attack = DAG()
    x = attack(world.context(attack, "swap:person,car@semantic"), math.inf)
    moved = (x - world.images)[0, 1] * 255
    assert moved[0, 2] == pytest.approx(math.ceil(0.04 * 255 / 0.5) * 0.5, rel=1e-4)
    assert moved[0, 3] == pytest.approx(math.ceil(0.1 * 255 / 0.5) * 0.5, rel=1e-4)


def test_steps_are_the_most_it_takes(painted):
    world = painted(CLASSES)
    attack = DAG(steps=7)
    x = attack(world.context(attack, "swap:person,car@semantic"), math.inf)
    assert world.target_model.cost.backwards == 7
    assert ((x - world.images).abs().max() * 255).item() == pytest.approx(3.5, rel=1e-4)
    assert torch.equal(predicted(world, x), CLASSES)


def test_untargeted_changes_every_correct_pixel_and_no_other(painted):
    labels = CLASSES.clone()
    labels[0] = 255
    labels[1, :3] = ROAD  # pixel (1, 0) is predicted right, (1, 1) and (1, 2) are wrong already
    world = painted(CLASSES, labels)
    attack = DAG(steps=400)
    x = attack(world.context(attack, "semantic"), math.inf)
    correct = labels == CLASSES
    assert torch.equal((x != world.images).any(1)[0], correct)
    assert (predicted(world, x) != CLASSES)[correct].all()
    outcome = targets_changed(world, attack, "semantic", x)
    assert outcome["targets"] == outcome["targets_changed"] == int(correct.sum())


def test_an_image_without_targets_is_unchanged(painted):
    no_person = torch.where((CLASSES == PERSON) | (CLASSES == CAR), ROAD, CLASSES)
    for world, objective in [(painted(no_person), "swap:person,car@semantic"), (painted(CLASSES, 4 - CLASSES), None)]:
        if objective is None:  # nothing is predicted right
            world.labels["semantic"][0] = (CLASSES + 1) % 5
        x = DAG()(world.context(DAG(), objective or "semantic"), math.inf)
        assert torch.equal(x, world.images)


@pytest.mark.parametrize("epsilon", [4.0, 20.0])
def test_in_a_ball_it_is_the_direction_at_that_epsilon(painted, epsilon):
    world = painted(CLASSES)
    attack = DAG()
    targets = ((CLASSES == PERSON) | (CLASSES == CAR)).expand(3, -1, -1)
    unbounded = (attack(world.context(attack, "swap:person,car@semantic"), math.inf) - world.images)[0]
    linf = (attack(world.context(attack, "swap:person,car@semantic"), epsilon, "linf") - world.images)[0] * 255
    torch.testing.assert_close(linf, epsilon * (unbounded.abs() > 0.01) * unbounded.sign(), rtol=0, atol=1e-4)
    sphere = (attack(world.context(attack, "swap:person,car@semantic"), epsilon, "rms") - world.images)[0] * 255
    assert sphere.square().mean().sqrt() == pytest.approx(epsilon, rel=1e-3)
    assert sphere[~targets].count_nonzero() == 0
    cosine = torch.cosine_similarity(sphere.flatten(), unbounded.flatten(), 0)
    assert cosine == pytest.approx(1, abs=1e-4)


def test_random_rivals_follow_the_seed_and_the_image_and_are_never_the_label(world):
    attack = DAG(steps=3)
    first = attack(world.context(attack, "semantic"), math.inf)
    world.seed = 1
    assert not torch.equal(attack(world.context(attack, "semantic"), math.inf), first)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"steps": 0}, "steps 0 must be >= 1"),
        ({"gamma": 0.0}, "gamma 0.0 must be"),
        ({"gamma": -0.5}, "gamma -0.5 must be"),
        ({"gamma": 256.0}, "gamma 256.0 must be"),
        ({"gamma": math.nan}, "gamma nan must be"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(parameters, message):
    with pytest.raises(UsageError, match=message) as caught:
        DAG(**parameters)
    assert "\n" not in str(caught.value)


def test_a_task_without_classes_is_refused(world):
    tasks = world.reference().tasks
    with pytest.raises(UsageError, match="dag has no objective 'depth'"):
        DAG().objectives(["depth"], tasks)
    assert [o.name for o in DAG().objectives(None, tasks)] == ["semantic"]
    assert [o.name for o in parse_objective("swap:person,car", tasks)] == ["swap:person,car@semantic"]
