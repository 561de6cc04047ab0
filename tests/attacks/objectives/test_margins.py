"""DAG on detectors: locations are the elements whose classes change. The pixels' case is in test_dag.py."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor, nn

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.cost import Cost
from robustbench_seg.attacks.dag import DAG
from robustbench_seg.attacks.objectives.base import CleanReference
from robustbench_seg.attacks.objectives.margins import AnyWrong, margin_loss
from robustbench_seg.attacks.objectives.parse import parse_objective
from robustbench_seg.attacks.objectives.swap import Swap
from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.randomness import generator
from robustbench_seg.tasks.instances.assign import assign
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.locations import Level, Locations
from robustbench_seg.tasks.instances.truth import InstanceLabels
from robustbench_seg.tasks.registry import TASKS
from tests.tasks.by_key import by_key
from tests.tasks.made_instances import Found, Known, labelled, predicted

DETECTION = TASKS.get("detection")()
LOGITS = DETECTION.class_logits
OTHER = ClassSet("other", ("a", "b", "c", "d"), ((0, 0, 0),) * 4)
TINY = ClassSet("tiny", ("road", "person", "car", "sky"), ((0, 0, 0),) * 4)
PERSON, CAR = 1, 2
TALL, WIDE, SMALL = (8, 8, 24, 56), (40, 12, 88, 52), (60, 2, 66, 8)

COLOURS = torch.tensor([[0.3, 0.5, 0.5], [0.5, 0.4, 0.5], [0.5, 0.6, 0.5], [0.5, 0.5, 0.7]])
STRIDE, SHARPNESS = 8, 100.0


class ColourDetector(nn.Module):
    """A linear detector: at the middle pixel of every cell of 8x8 the nearest colour is its class."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.colours = nn.Parameter(COLOURS.clone())
        self.shift = shift

    def forward(self, images: Tensor) -> dict[str, DenseInstances]:
        height, width = images.shape[-2:]
        seen = images[..., STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE].flatten(2)
        logits = SHARPNESS * (2 * self.colours @ seen - self.colours.square().sum(1)[:, None]) + self.shift
        locations = Locations.of([Level(height // STRIDE, width // STRIDE, STRIDE, 0.0, math.inf)], "cpu")
        points = locations.points
        return {
            "instances": DenseInstances(
                logits.transpose(1, 2),
                torch.cat([points - 4, points + 4], 1).expand(len(images), -1, -1),
                torch.zeros(len(images), len(points)),
                locations,
                (height, width),
            )
        }


def painted(*cells: Tensor) -> Tensor:
    """Images of cells (h,w) of classes, in the classes' colours."""
    maps = torch.stack(cells).repeat_interleave(STRIDE, 1).repeat_interleave(STRIDE, 2)
    return COLOURS[maps].permute(0, 3, 1, 2).contiguous()


def reference(
    target_model: TargetModel, images: Tensor, labels: InstanceLabels | None = None, seed: int = 0
) -> CleanReference:
    streams = lambda purpose: [generator(seed, str(i), purpose) for i in range(len(images))]  # noqa: E731
    return CleanReference(
        target_model.outputs(images), {"instances": labels}, {"detection": DETECTION}, TINY, "none", streams
    )


def attacked(attack, name, target_model, images, labels=None, epsilon=math.inf, norm=None):
    """The perturbed images and the goal."""
    (objective,) = attack.objectives([name], {"detection": DETECTION})
    adversarial_loss = attack.adversarial_loss(objective, reference(target_model, images, labels))
    context = AttackContext(
        images, [str(i) for i in range(len(images))], target_model=target_model, adversarial_loss=adversarial_loss
    )
    return attack(context, epsilon, norm), adversarial_loss


def classes_of(target_model: TargetModel, x: Tensor) -> Tensor:
    return target_model.outputs(x)["instances"].classes.argmax(2)


@pytest.fixture
def target_model():
    return TargetModel(ColourDetector(), by_key("instances"))


CELLS = torch.tensor([[0, 1, 1, 2, 0, 3], [1, 1, 2, 2, 0, 3], [0, 0, 2, 3, 3, 0]])
OTHERS = torch.tensor([[0, 3, 3, 0, 0, 3], [3, 3, 0, 0, 0, 3], [0, 0, 0, 3, 3, 0]])


# labels of locations


def test_the_label_of_a_location_is_the_class_of_its_instance():
    truth = labelled([[Known(TALL, PERSON), Known(WIDE, CAR), Known(SMALL, 3)], [], [Known(WIDE, VOID)]])
    dense = predicted([[Found(TALL, 3)], [Found(TALL, 3)], [Found(WIDE, 2)]])
    labels = LOGITS.labels({"instances": dense}, {"instances": truth})
    assert labels.shape == (3, len(dense.locations))
    at = assign(dense.locations, truth)
    expected = torch.full_like(labels, VOID)
    for image, location, label in zip(at.image, at.location, at.labels, strict=True):
        expected[image, location] = label
    assert torch.equal(labels, expected)
    assert set(labels[0].tolist()) == {PERSON, CAR, VOID}, "what is too small is no label"
    assert set(labels[1:].flatten().tolist()) == {VOID}, "nor is what has no class, or is not there"
    points = dense.locations.points
    centre = (points - torch.tensor([16.0, 32.0])).abs().sum(1).argmin()
    assert labels[0, centre] == PERSON


def test_logits_of_locations_are_classes_first():
    dense = predicted([[Found(TALL, PERSON)]])
    logits = LOGITS.of({"instances": dense})
    assert logits.shape == (1, 4, len(dense.locations))
    assert torch.equal(logits[0, 2], dense.classes[0, :, 2])


# the confidence floor


def test_the_floor_is_on_the_probability_of_the_most_likely_class():
    dense = predicted([[]])
    classes = torch.full_like(dense.classes, -5.0)
    probabilities = torch.tensor([0.04, 0.06, 0.5, 0.9])
    classes[0, :4, PERSON] = probabilities.logit()
    adversarial_losses = {}
    for floor in (0.0, 0.05, 0.5001):
        outputs = {"instances": dataclasses.replace(dense, classes=classes)}
        found = CleanReference(outputs, {}, {}, TINY, "none", list)
        adversarial_loss = Swap("person", "car", DETECTION).adversarial_loss(found, floor)
        assert adversarial_loss.outcome is not None
        adversarial_losses[floor] = int(adversarial_loss.outcome(outputs)["targets"])
    # Where all logits are equal the most likely class is the first, which is neither of the two.
    assert adversarial_losses == {0.0: 4, 0.05: 3, 0.5001: 1}


def test_dag_hands_its_floor_to_the_swap():
    """The logit of a cell's own class is 100 |colour|^2 + shift: -9 for a person, 11 for a car."""
    images = painted(CELLS, OTHERS)
    unsure = TargetModel(ColourDetector(shift=-75.0), by_key("instances"))
    persons, cars = int((CELLS == PERSON).sum()), int((CELLS == CAR).sum())
    for floor, expected in ((0.0, persons + cars), (0.5, cars)):
        x, adversarial_loss = attacked(DAG(floor=floor), "swap:person,car@detection", unsure, images)
        assert adversarial_loss.outcome(unsure.outputs(images))["targets"].tolist() == [expected, 0]
        changed = classes_of(unsure, x) != classes_of(unsure, images)
        assert int(changed.sum()) == expected
    x, adversarial_loss = attacked(DAG(floor=0.99999), "swap:person,car@detection", unsure, images)
    assert adversarial_loss.attackable.tolist() == [False, False]
    assert torch.equal(x, images)


# swapping


def test_a_swap_changes_exactly_the_locations_of_the_two(target_model):
    images = painted(CELLS, OTHERS)
    before = classes_of(target_model, images)
    x, adversarial_loss = attacked(DAG(), "swap:person,car@detection", target_model, images)
    expected = torch.where(before == PERSON, CAR, torch.where(before == CAR, PERSON, before))
    assert torch.equal(classes_of(target_model, x), expected)
    assert adversarial_loss.attackable.tolist() == [True, False]
    assert torch.equal(x[1], images[1])
    moved = (x != images).any(1)
    middles = torch.zeros_like(moved)
    middles[:, STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE] = ((before == PERSON) | (before == CAR)).view(2, 3, 6)
    assert torch.equal(moved, middles)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_a_swap_stops_where_the_last_target_has_changed(target_model, gamma):
    """Person and car are .2 apart in green, the border is at .1 and a step moves a value by gamma / 255."""
    target_model.cost = Cost()
    x, _ = attacked(DAG(gamma=gamma), "swap:person,car@detection", target_model, painted(CELLS))
    steps = math.ceil(0.1 * 255 / gamma)
    assert target_model.cost.backwards == steps + 1, "one more gradient finds no target left"
    assert ((x - painted(CELLS)).abs().max() * 255).item() == pytest.approx(steps * gamma, rel=1e-3)


def test_a_swap_needs_no_labels_and_no_boxes(target_model):
    """What it pursues are class logits of predictions, so boxes have no gradient in it."""
    dense = target_model.outputs(painted(CELLS))["instances"]
    classes, boxes = dense.classes.clone().requires_grad_(True), dense.boxes.clone().requires_grad_(True)
    adversarial_loss = Swap("person", "car", DETECTION).adversarial_loss(reference(target_model, painted(CELLS)))
    moved = {"instances": dataclasses.replace(dense, classes=classes, boxes=boxes)}
    gradient, none = torch.autograd.grad(adversarial_loss.loss(moved).sum(), (classes, boxes), allow_unused=True)
    assert none is None
    target = dense.classes.argmax(2)
    assert torch.equal(gradient[0, target[0] == PERSON].unique(dim=0), torch.tensor([[0.0, -1.0, 1.0, 0.0]]))
    assert torch.equal(gradient[0, target[0] == CAR].unique(dim=0), torch.tensor([[0.0, 1.0, -1.0, 0.0]]))
    assert gradient[0, (target[0] != CAR) & (target[0] != PERSON)].count_nonzero() == 0


def test_what_has_changed_and_what_has_arrived_are_counted(target_model):
    adversarial_loss = Swap("person", "car", DETECTION).adversarial_loss(
        reference(target_model, painted(CELLS, OTHERS))
    )
    assert adversarial_loss.outcome is not None
    persons, cars = int((CELLS == PERSON).sum()), int((CELLS == CAR).sum())

    def counts(cells: Tensor) -> dict[str, list[int]]:
        found = adversarial_loss.outcome(target_model.outputs(painted(cells, OTHERS)))
        return {name: value.tolist() for name, value in found.items()}

    total = [persons + cars, 0]
    assert counts(CELLS) == {"targets": total, "targets_changed": [0, 0], "targets_reached": [0, 0]}
    to_car = torch.where(CELLS == PERSON, CAR, torch.where(CELLS == CAR, 3, CELLS))
    assert counts(to_car) == {"targets": total, "targets_changed": total, "targets_reached": [persons, 0]}
    elsewhere = torch.where(CELLS == 0, PERSON, CELLS)
    assert counts(elsewhere)["targets_changed"] == [0, 0], "what was no target does not count"


def test_in_a_ball_it_is_the_direction_at_that_epsilon(target_model):
    images = painted(CELLS)
    x, _ = attacked(DAG(), "swap:person,car@detection", target_model, images, epsilon=4.0, norm="linf")
    assert ((x - images).abs().max() * 255).item() == pytest.approx(4.0, rel=1e-4)
    assert torch.equal(classes_of(target_model, x), classes_of(target_model, images)), (
        "an epsilon of 4 is not the 25.5 it takes"
    )


# any wrong class


def test_untargeted_only_assigned_locations_that_are_right_are_targets(target_model):
    """A person's and a car's box over cells that show them, and over cells that show something else."""
    images = painted(CELLS)
    truth = images_truth()
    found = reference(target_model, images, truth)
    at = assign(found.outputs["instances"].locations, truth)
    right = classes_of(target_model, images)[at.image, at.location] == at.labels
    assert 0 < right.sum() < len(right), "both kinds are there"
    x, adversarial_loss = attacked(DAG(steps=400), "detection", target_model, images, truth)
    after, before = classes_of(target_model, x), classes_of(target_model, images)
    changed = torch.zeros_like(before, dtype=torch.bool)
    changed[at.image[right], at.location[right]] = True
    assert torch.equal(after != before, changed)
    counts = {name: int(value) for name, value in adversarial_loss.outcome(target_model.outputs(x)).items()}
    assert counts["targets"] == counts["targets_changed"] == int(right.sum())


def images_truth() -> InstanceLabels:
    """Instances on the 24x48 images of `CELLS`: a person (cells in columns 0 to 2), a car (3 and 4)."""
    (made,) = labelled([[Known((0, 0, 24, 16), PERSON), Known((24, 0, 40, 24), CAR)]])
    return InstanceLabels((dataclasses.replace(made, masks=made.masks[:, :24, :48]),))


def test_untargeted_rivals_are_never_the_label_and_follow_the_image(target_model):
    images = painted(CELLS, CELLS)
    truth = InstanceLabels(images_truth().images * 2)
    found = reference(target_model, images, truth)
    dense = found.outputs["instances"]
    classes = dense.classes.clone().requires_grad_(True)
    adversarial_loss = AnyWrong(DETECTION).adversarial_loss(found)
    loss = adversarial_loss.loss({"instances": dataclasses.replace(dense, classes=classes)})
    (gradient,) = torch.autograd.grad(loss.sum(), classes)
    target = gradient.any(2)
    assert target.any()
    assert torch.equal(gradient[target].sort(1).values.unique(dim=0), torch.tensor([[-1.0, 0.0, 0.0, 1.0]]))
    assert torch.equal(gradient[target].argmin(1), classes_of(target_model, images)[target])
    again = AnyWrong(DETECTION).adversarial_loss(reference(target_model, images, truth))
    torch.testing.assert_close(again.loss(found.outputs), adversarial_loss.loss(found.outputs), rtol=0, atol=0)
    other = AnyWrong(DETECTION).adversarial_loss(reference(target_model, images, truth, seed=1))
    assert not torch.equal(other.loss(found.outputs), adversarial_loss.loss(found.outputs))


def test_without_an_instance_there_is_no_target(target_model):
    images = painted(CELLS)
    x, adversarial_loss = attacked(
        DAG(steps=3), "detection", target_model, images, InstanceLabels(labelled([[]]).images)
    )
    assert adversarial_loss.attackable.tolist() == [False]
    assert torch.equal(x, images)


def test_a_goal_of_locations_has_no_gradient_once_they_have_changed(target_model):
    dense = target_model.outputs(painted(CELLS))["instances"]
    current = dense.classes.argmax(2)
    adversarial_loss = margin_loss(LOGITS, current, (current + 1) % 4, current == PERSON)
    elsewhere = target_model.outputs(painted(torch.where(CELLS == PERSON, 3, CELLS)))["instances"]
    classes = elsewhere.classes.clone().requires_grad_(True)
    loss = adversarial_loss.loss({"instances": dataclasses.replace(elsewhere, classes=classes)})
    (gradient,) = torch.autograd.grad(loss.sum(), classes)
    assert loss.item() == 0
    assert gradient.count_nonzero() == 0


def test_names_of_a_swap_are_found_by_alias():
    for first, second in (("person", "car"), ("pedestrian", "car")):
        (swap,) = parse_objective(f"swap:{first},{second}@detection", {"detection": DETECTION})
        assert swap.missing_classes(TINY) == []
        assert swap.missing_classes(OTHER) == [first, second]
