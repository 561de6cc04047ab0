"""One fixed prediction for every image."""

from __future__ import annotations

import pytest
import torch

from robustbench_seg.attacks.objectives.static import Static
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.errors import InputError, UsageError
from tests.tasks.by_key import by_key

(SEMANTIC,) = by_key("semantic")
CLASSES = torch.tensor([[0, 0, 1], [3, 4, 1]])
TARGET = torch.tensor([[[0, 4, 4], [3, 3, 3]]])


def loss_on(world, objective, attack):
    return attack.adversarial_loss(objective, world.reference())


def test_the_target_is_the_clean_prediction_of_the_first_training_image(painted):
    objective = Static(SEMANTIC)
    kept = objective.fit(painted(CLASSES).reference())
    assert torch.equal(kept["target"][0], CLASSES)
    world = painted(CLASSES)
    adversarial_loss = loss_on(world, objective.bound(kept), PGD())
    assert adversarial_loss.attackable.all()
    assert int(adversarial_loss.outcome(world.target_model.outputs(world.images))["targets"]) == 0, "all is reached"


def test_an_attack_reaches_the_target_and_counts_it(painted):
    world, attack = painted(CLASSES), PGD(steps=40)
    adversarial_loss = loss_on(world, Static(SEMANTIC, TARGET), attack)
    context = world.context(attack, "semantic")
    context._adversarial_loss = adversarial_loss
    outputs = world.target_model.outputs(attack(context, 60.0))
    assert torch.equal(outputs["semantic"].argmax(1), TARGET)
    counts = {name: int(value) for name, value in adversarial_loss.outcome(outputs).items()}
    assert counts == {"targets": 4, "targets_changed": 4, "targets_reached": 4}
    clean = {name: int(v) for name, v in adversarial_loss.outcome(world.target_model.outputs(world.images)).items()}
    assert clean == {"targets": 4, "targets_changed": 0, "targets_reached": 0}


def test_pixels_predicted_with_confidence_no_longer_count(painted):
    world = painted(CLASSES)
    adversarial_loss = loss_on(world, Static(SEMANTIC, TARGET), PGD(scale_free=False))
    logits = world.target_model.outputs(world.images)["semantic"].requires_grad_(True)
    (gradient,) = torch.autograd.grad(adversarial_loss.loss({"semantic": logits}).sum(), logits)
    confident = logits.softmax(1).gather(1, TARGET[:, None])[:, 0] > 0.75
    assert confident.any()
    assert torch.equal(gradient.abs().sum(1) == 0, confident)


def test_a_loss_that_is_named_is_used(painted):
    world = painted(CLASSES)
    adversarial_loss = loss_on(world, Static(SEMANTIC, TARGET), PGD(loss="ce", scale_free=False))
    logits = world.target_model.outputs(world.images)["semantic"]
    expected = -torch.nn.functional.cross_entropy(logits, TARGET)
    torch.testing.assert_close(adversarial_loss.loss({"semantic": logits})[0], expected)


def test_tasks_without_classes_have_a_target_too(painted):
    """Road is 16 m away, a building 24 m, which is more than a quarter apart."""
    road, houses = painted(torch.zeros(2, 3, dtype=torch.long)), painted(torch.tensor([[1, 1, 1], [1, 1, 0]]))
    (depth,) = by_key("depth")
    objective = Static(depth)
    adversarial_loss = loss_on(houses, objective.bound(objective.fit(road.reference())), PGD())
    outputs = houses.target_model.outputs(houses.images)
    assert float(adversarial_loss.loss(outputs)) == pytest.approx(-8 * (5 / 6) ** 0.5)
    counts = adversarial_loss.outcome(road.target_model.outputs(road.images))
    assert {name: int(value) for name, value in counts.items()} == {
        "targets": 5,
        "targets_changed": 5,
        "targets_reached": 5,
    }


def test_without_its_target_or_on_another_size_it_is_one_line(painted):
    world = painted(CLASSES)
    with pytest.raises(UsageError, match="'static:semantic' is made of a data set's train split; use evaluate"):
        loss_on(world, Static(SEMANTIC), PGD())
    with pytest.raises(InputError, match="the target of 'static:semantic' is 4 x 3, this image is 2 x 3"):
        loss_on(world, Static(SEMANTIC, torch.zeros(1, 4, 3, dtype=torch.long)), PGD())


def test_its_name_is_that_of_a_task():
    tasks = {task.name: task for task in by_key("semantic", "depth", "instances")}
    assert [objective.name for objective in Static.parse("", tasks)] == ["static:semantic", "static:depth"]
    assert [objective.name for objective in Static.parse("depth", tasks)] == ["static:depth"]
    assert Static.parse("normals", tasks) == []
    with pytest.raises(UsageError, match="did you mean semantic"):
        Static.parse("semantics", tasks)
    assert Static.describe("depth").attacks == ("depth",)
