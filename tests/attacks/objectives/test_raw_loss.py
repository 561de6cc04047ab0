"""Raw losses and groups of them as goals: what is ascended, and its gradient, written out."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from robustbench_seg.attacks.objectives.base import CleanReference
from robustbench_seg.attacks.objectives.group import geometric_mean
from robustbench_seg.attacks.objectives.parse import parse_objective
from robustbench_seg.attacks.objectives.raw_loss import summed
from robustbench_seg.classes import ClassSet
from robustbench_seg.tasks.registry import TASKS
from tests.tasks.made_instances import CLASSES, HEIGHT, WIDTH, Found, Known, labelled, predicted

FIVE = {name: TASKS.get(name)() for name in ("semantic", "depth", "detection", "instance", "instance_depth")}
TINY = ClassSet("tiny", ("road", "person", "car", "sky"), ((0, 0, 0),) * CLASSES)
TALL, WIDE = (8, 8, 24, 56), (40, 12, 88, 52)
KNOWN = [[Known(TALL, 1, 12.0), Known(WIDE, 2, 8.0)], [Known(WIDE, 2, 20.0)], []]
FOUND = [[Found(TALL, 1), Found(WIDE, 2)], [Found((44, 16, 92, 60), 2)], [Found(TALL, 1)]]


@pytest.fixture
def outputs():
    """Three images' outputs with every loss above 0."""
    g = torch.Generator().manual_seed(0)
    dense = predicted(FOUND)
    noisy = dataclasses.replace(
        dense,
        classes=dense.classes / 5 + torch.randn(dense.classes.shape, generator=g),
        boxes=dense.boxes + 2 * torch.rand(dense.boxes.shape, generator=g),
        centerness=torch.randn(dense.centerness.shape, generator=g),
        codes=torch.randn(3, len(dense.locations), 3, generator=g),
    )
    return {
        "semantic": torch.randn(3, CLASSES, HEIGHT, WIDTH, generator=g),
        "depth": 5 + 20 * torch.rand(3, HEIGHT, WIDTH, generator=g),
        "instances": noisy,
    }


@pytest.fixture
def labels():
    """The last image has no instance, and the second neither a class nor a depth."""
    g = torch.Generator().manual_seed(1)
    semantic = torch.randint(0, CLASSES, (3, HEIGHT, WIDTH), generator=g)
    depth = 5 + 20 * torch.rand(3, HEIGHT, WIDTH, generator=g)
    semantic[1], depth[1] = 255, 0
    return {"semantic": semantic, "depth": depth, "instances": labelled(KNOWN)}


def reference(outputs, labels, tasks=FIVE, depth_align="none") -> CleanReference:
    return CleanReference(outputs, labels, tasks, TINY, depth_align, lambda purpose: [])


def goal_of(text, outputs, labels, **more):
    (objective,) = parse_objective(text, FIVE)
    return objective.adversarial_loss(reference(outputs, labels, **more))


def every_loss(outputs, labels) -> dict[str, Tensor]:
    """All raw losses (N,) by name, from the tasks alone."""
    return {k: v for t in FIVE.values() for k, v in t.losses(outputs[t.key], labels[t.key]).items()}


@pytest.mark.parametrize("name", ["seg", "depth", "cls", "reg", "centerness", "mask", "instance_depth"])
def test_one_raw_loss_is_the_tasks(outputs, labels, name):
    adversarial_loss = goal_of(f"loss:{name}", outputs, labels)
    torch.testing.assert_close(adversarial_loss.loss(outputs), every_loss(outputs, labels)[name])
    assert not adversarial_loss.skips


def test_a_tasks_own_loss_is_the_sum_of_its_raw_ones(outputs, labels):
    for task in FIVE.values():
        total = torch.stack(list(task.losses(outputs[task.key], labels[task.key]).values())).sum(0)
        torch.testing.assert_close(goal_of(task.name, outputs, labels).loss(outputs), total)


def test_a_group_is_the_sum(outputs, labels):
    losses = every_loss(outputs, labels)
    semantic = losses["seg"] + losses["cls"] + losses["reg"] + losses["mask"]
    torch.testing.assert_close(goal_of("group:semantic", outputs, labels).loss(outputs), semantic)
    geometric = losses["depth"] + losses["instance_depth"]
    torch.testing.assert_close(goal_of("group:geometric", outputs, labels).loss(outputs), geometric)


def test_the_multi_task_loss_is_the_geometric_mean_of_what_each_image_has_labels_for(outputs, labels):
    losses = every_loss(outputs, labels)
    instances = ("cls", "reg", "centerness", "mask", "instance_depth")
    first = torch.stack([losses[name][0] for name in ("seg", "depth", *instances)])
    second = torch.stack([losses[name][1] for name in instances])
    assert (first > 0).all()
    assert losses["seg"][1] == losses["depth"][1] == 0, "no label: no factor of 0 either"
    found = goal_of("group:all", outputs, labels).loss(outputs)
    torch.testing.assert_close(found[0], first.prod() ** (1 / 7))
    torch.testing.assert_close(found[1], second.prod() ** (1 / 5))


def test_combinations_in_numbers():
    losses = torch.tensor([[2.0, 3.0, 0.0], [8.0, 5.0, 0.0], [4.0, 0.0, 7.0]])
    known = torch.tensor([[True, True, False], [True, False, False], [True, False, False]])
    assert summed(losses, known).tolist() == [14, 3, 0]
    torch.testing.assert_close(geometric_mean(losses, known), torch.tensor([4.0, 3.0, 0.0]))


def test_the_gradient_of_the_multi_task_loss_is_the_mean_relative_gradient(outputs, labels):
    """d (prod L)^(1/K) = loss * mean(dL / L), image by image."""
    dense = outputs["instances"]
    leaves = (outputs["semantic"], outputs["depth"], dense.classes, dense.boxes, dense.centerness, dense.codes)
    for leaf in (*leaves, dense.depth):
        leaf.requires_grad_(True)
    loss = goal_of("group:all", outputs, labels).loss(outputs)
    found = torch.autograd.grad(loss[0], leaves)
    losses = [value[0] for value in every_loss(outputs, labels).values()]
    for leaf, gradient in zip(leaves, found, strict=True):
        parts = [torch.autograd.grad(one, leaf, retain_graph=True, allow_unused=True)[0] for one in losses]
        relative = [part / one.detach() for part, one in zip(parts, losses, strict=True) if part is not None]
        expected = loss[0].detach() * torch.stack(relative).sum(0) / len(losses)
        assert expected.count_nonzero() > 0
        torch.testing.assert_close(gradient, expected, rtol=1e-4, atol=1e-9)


def test_an_image_without_any_label_of_a_group_has_no_target_and_no_gradient(outputs, labels):
    empty = {**labels, "depth": labels["depth"].clone()}
    empty["depth"][2] = 0
    adversarial_loss = goal_of("group:geometric", outputs, empty)
    assert adversarial_loss.attackable.tolist() == [True, True, False]
    assert goal_of("loss:mask", outputs, labels).attackable.tolist() == [True, True, False]
    assert goal_of("loss:seg", outputs, labels).attackable.tolist() == [True, False, True]
    assert goal_of("loss:cls", outputs, labels).attackable.tolist() == [True, True, True]
    depth = outputs["depth"].requires_grad_(True)
    loss = adversarial_loss.loss(outputs)
    (gradient,) = torch.autograd.grad(loss.sum(), depth)
    assert loss[2] == 0
    assert gradient.flatten(1).any(1).tolist() == [True, False, False]
    assert gradient.isfinite().all()


@pytest.mark.parametrize("combine", [summed, geometric_mean])
def test_a_loss_that_is_not_known_gives_no_gradient_nor_nan(combine):
    losses = torch.tensor([[2.0, 0.0], [3.0, 0.0]], requires_grad=True)
    known = torch.tensor([[True, False], [True, False]])
    (gradient,) = torch.autograd.grad(combine(losses, known).sum(), losses)
    assert gradient.isfinite().all()
    assert gradient[:, 1].tolist() == [0, 0]
    assert (gradient[:, 0] > 0).all()


def test_relative_depth_is_compared_at_the_scale_of_its_clean_prediction(outputs, labels):
    """In every objective with depth in it; metres of instances are metres."""
    tripled = {**outputs, "depth": labels["depth"] / 3}
    losses = every_loss(outputs, labels)
    for text, rest in (("loss:depth", 0.0), ("group:geometric", losses["instance_depth"][0])):
        adversarial_loss = goal_of(text, tripled, labels, depth_align="median")
        torch.testing.assert_close(adversarial_loss.loss(tripled)[0], torch.as_tensor(rest), atol=1e-4, rtol=1e-5)
        moved = {**tripled, "depth": tripled["depth"] + 1}
        torch.testing.assert_close(adversarial_loss.loss(moved)[0], torch.as_tensor(rest) + 3, atol=1e-3, rtol=1e-5)
    unscaled = goal_of("loss:depth", tripled, labels).loss(tripled)
    torch.testing.assert_close(unscaled, FIVE["depth"].loss(tripled["depth"], labels["depth"]))


def test_group_losses_keep_the_order_of_the_tasks():
    (objective,) = parse_objective("group:all", FIVE)
    found = [(task.name, loss) for task, loss in objective.parts]
    assert found[0] == ("semantic", "seg")
    assert [task for task, _ in found] == sorted((task for task, _ in found), key=list(FIVE).index)
    assert len(found) == 7
