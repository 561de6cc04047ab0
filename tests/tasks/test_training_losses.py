"""The losses that tasks are trained with."""

from __future__ import annotations

import dataclasses
import math
from typing import get_args, get_type_hints

import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.tasks.base import LossSettings
from robustbench_seg.tasks.dense import dense_tasks
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.depth_training import TRAINING_LOSSES, berhu_inverse, log_l1, log_rmse
from robustbench_seg.tasks.detection import Detection
from robustbench_seg.tasks.instance import Instance
from robustbench_seg.tasks.instance_depth import InstanceDepth
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.losses import Comparison
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.tasks.semantic import class_weights, weighted_cross_entropy
from robustbench_seg.training.recipe import Recipe
from tests.tasks.made import made_for
from tests.tasks.made_instances import Found, Known, labelled, predicted

PLAIN = LossSettings()
detection_losses, mask_loss, instance_depth_loss = Detection().losses, Instance().loss, InstanceDepth().loss
TALL, WIDE, FLAT = (8, 8, 24, 56), (40, 12, 88, 52), (40, 54, 88, 64)
KNOWN = [
    [Known(TALL, 1, 12.0), Known(WIDE, 2, 0.0)],
    [Known(TALL, 1, 30.0), Known(WIDE, 2, 20.0), Known(FLAT, 2, 25.0)],
    [],
]
FOUND = [[Found(TALL, 1), Found(WIDE, 2)], [Found((44, 16, 92, 60), 2)], [Found(TALL, 1)]]


def trained(name, output, label, settings):
    return TASKS.get(name)().training_losses(output, label, settings)


@pytest.fixture
def dense() -> DenseInstances:
    g = torch.Generator().manual_seed(0)
    made = predicted(FOUND)
    return dataclasses.replace(
        made,
        classes=made.classes / 5 + torch.randn(made.classes.shape, generator=g),
        centerness=torch.randn(made.centerness.shape, generator=g),
        codes=torch.randn(3, len(made.locations), 3, generator=g),
    )


# pooling


def test_pooled_losses_are_the_images_sums_over_all_their_counts(dense):
    """Not a mean of means: an image with more locations weighs more."""
    truth = labelled(KNOWN)
    at = Comparison(dense, truth).positives
    counts = torch.bincount(at.image, minlength=3)
    assert counts[2] == 0
    assert counts[0] != counts[1]
    found = trained("detection", dense, truth, PLAIN)
    each = detection_losses(dense, truth)
    # `_mean` of an image without a positive is the sum, which is the background's classification loss.
    cls = each["cls"] * counts.clamp(min=1)
    torch.testing.assert_close(found["cls"], cls.sum() / counts.sum())
    torch.testing.assert_close(found["centerness"], (each["centerness"] * counts).sum() / counts.sum())
    weights = torch.zeros(3).index_add(0, at.image, Comparison(dense, truth).positives.centerness)
    torch.testing.assert_close(found["reg"], (each["reg"] * weights).sum() / weights.sum())
    masks = trained("instance", dense, truth, PLAIN)["mask"]
    torch.testing.assert_close(masks, (mask_loss(dense, truth) * counts).sum() / counts.sum())


def test_instances_without_a_depth_do_not_count_in_the_mean(dense):
    truth = labelled(KNOWN)
    at = Comparison(dense, truth).positives
    known = at.depth > 0
    assert 0 < known.sum() < len(known)
    found = trained("instance_depth", dense, truth, PLAIN)["instance_depth"]
    error = (dense.depth[at.image, at.location] - at.depth).abs()[known]
    torch.testing.assert_close(found, error.mean())
    assert not torch.isclose(found, instance_depth_loss(dense, truth)[:2].mean()), "nor is it a mean over images"


def test_one_image_is_trained_with_what_it_is_attacked_with(dense):
    truth = labelled(KNOWN)[:1]
    one = dataclasses.replace(
        dense,
        **{k: getattr(dense, k)[:1] for k in ("classes", "boxes", "centerness", "codes", "depth")},
    )
    for name in ("detection", "instance", "instance_depth"):
        attacked = TASKS.get(name)().losses(one, truth)
        learnt = trained(name, one, truth, PLAIN)
        assert learnt.keys() == attacked.keys()
        for key, value in learnt.items():
            torch.testing.assert_close(value, attacked[key][0])


@pytest.mark.parametrize("name", ["detection", "instance", "instance_depth"])
def test_a_batch_without_an_instance_has_none_of_these_losses(dense, name):
    assert trained(name, dense, labelled([[], [], []]), PLAIN) == {}


def test_a_batch_without_a_known_depth_has_the_others(dense):
    truth = labelled([[Known(WIDE, 2, 0.0)], [], []])
    assert trained("instance_depth", dense, truth, PLAIN) == {}
    assert set(trained("detection", dense, truth, PLAIN)) == {"cls", "reg", "centerness"}


@pytest.mark.parametrize("name", list(TASKS))
def test_every_task_is_trained_with_the_raw_losses_it_declares(name):
    task = TASKS.get(name)()
    assert list(trained(name, *made_for(task.key), PLAIN)) == [raw.name for raw in task.raw_losses]


# closed forms


def test_log_depth_rmse():
    """Twice too far at one pixel, four times too near at another; invalid and far ones do not count."""
    label = torch.tensor([[[0.0, 2.0], [8.0, 100.0]]])
    depth = torch.tensor([[[5.0, 4.0], [2.0, 1.0]]], requires_grad=True)
    loss = log_rmse(depth, label)
    torch.testing.assert_close(loss, torch.tensor(math.log(2) * math.sqrt((1 + 4) / 2)))
    loss.backward()
    # d/dz sqrt(mean e^2) = e / (n * loss * z).
    expected = torch.tensor([[[0, math.log(2) / 4], [-math.log(4) / 2, 0]]]) / (2 * loss.item())
    torch.testing.assert_close(depth.grad, expected)


def test_log_depth_rmse_has_a_gradient_where_it_is_0():
    depth = torch.full((1, 2, 2), 7.0, requires_grad=True)
    for label in (torch.full((1, 2, 2), 7.0), torch.zeros(1, 2, 2)):
        log_rmse(depth, label).backward()
        assert depth.grad.count_nonzero() == 0
        assert depth.grad.isfinite().all()


def test_the_depth_loss_is_the_recipes():
    label, depth = torch.tensor([[[2.0, 8.0]]]), torch.tensor([[[4.0, 2.0]]])
    found = {kind: trained("depth", depth, label, LossSettings(None, kind)) for kind in TRAINING_LOSSES}
    assert set(found) == set(get_args(get_type_hints(Recipe)["depth_loss"]))
    torch.testing.assert_close(found["log_l1"]["depth"], torch.tensor(1.5 * math.log(2)))
    torch.testing.assert_close(found["log_rmse"]["depth"], torch.tensor(math.sqrt(2.5) * math.log(2)))


def test_berhu_of_the_inverse_depth():
    """Errors of 1 and 10 in 65536 / (100 Z + 1): the second is beyond c = 2 and quadratic."""
    inverse = torch.tensor([[[100.0, 200.0, 7.0]]])
    label = (65536 / inverse - 1) / 100
    label[0, 0, 2] = 0
    depth = ((65536 / (inverse + torch.tensor([1.0, 10.0, 50.0])) - 1) / 100).requires_grad_()
    loss = berhu_inverse(depth, label)
    torch.testing.assert_close(loss, torch.tensor((1 + (100 + 4) / 4) / 2), rtol=1e-3, atol=1e-3)
    loss.backward()
    assert depth.grad[0, 0, 2] == 0
    assert depth.grad[0, 0, :2].lt(0).all(), "it is nearer than it should be"
    assert berhu_inverse(depth, torch.zeros_like(label)) == 0


def test_normals_may_learn_their_angle():
    label = torch.tensor([[0.0, 0.0, 1.0], [0.6, 0.0, 0.8], [0.0, 0.0, 0.0]]).T.view(1, 3, 1, 3)
    output = torch.tensor([[3.0, 0.0, 0.0], [1.2, 0.0, 1.6], [5.0, 5.0, 5.0]]).T.view(1, 3, 1, 3)
    found = trained("normals", output, label, LossSettings(normals="cosine"))
    torch.testing.assert_close(found["normals"], torch.tensor((1.0 + 0.0) / 2))


def test_the_weight_of_edges_is_that_of_cross_entropy():
    g = torch.Generator().manual_seed(0)
    label = (torch.rand(2, 8, 9, generator=g) < 0.2).long()
    label[0, 0] = 255
    logits = torch.randn(2, 8, 9, generator=g)
    two = torch.stack([torch.zeros_like(logits), logits], 1)
    expected = F.cross_entropy(two, label, torch.tensor([0.05, 0.95]), ignore_index=255)
    found = trained("edges", logits, label, LossSettings(edge_weight=0.95))
    torch.testing.assert_close(found["edges"], expected)


def test_normals_are_compared_as_unit_vectors():
    label = torch.zeros(1, 3, 1, 3)
    label[0, :, 0, 0] = torch.tensor([0.0, 0.0, 1.0])
    label[0, :, 0, 1] = torch.tensor([0.6, 0.0, 0.8])
    output = torch.tensor([[3.0, 0, 0], [1.2, 0, 1.6], [5, 5, 5]]).T.view(1, 3, 1, 3)
    # |1 - 0| + |0 - 1| at the first pixel, 0 at the second whatever its length, no label at the third.
    found = trained("normals", output, label, PLAIN)
    torch.testing.assert_close(found["normals"], torch.tensor((2.0 + 0.0) / 2))


def test_edges_weigh_both_classes_the_same():
    g = torch.Generator().manual_seed(0)
    label = (torch.rand(2, 8, 9, generator=g) < 0.2).long()
    label[0, 0] = 255
    logits = torch.randn(2, 8, 9, generator=g)
    edge, rest = F.softplus(-logits[label == 1]), F.softplus(logits[label == 0])
    total = len(edge) + len(rest)
    share = len(edge) / total
    expected = ((1 - share) * edge.sum() + share * rest.sum()) / total
    torch.testing.assert_close(trained("edges", logits, label, PLAIN)["edges"], expected)
    balanced = share * (1 - share) * (edge.mean() + rest.mean())
    torch.testing.assert_close(expected, balanced)


def test_depth_beyond_the_range_is_no_label():
    assert not Depth().learnable(torch.full((1, 2, 2), 90.0))
    assert Depth().learnable(torch.tensor([[[90.0, 20.0]]]))


@pytest.mark.parametrize("task", dense_tasks().values(), ids=list(dense_tasks()))
def test_a_label_without_a_valid_pixel_is_not_learnable_and_costs_nothing(task):
    output, label = made_for(task.key)
    assert task.learnable(label)
    void = torch.full_like(label, task.label_rule.outside)
    assert not task.learnable(void)
    leaf = output.clone().requires_grad_()
    (loss,) = task.training_losses(leaf, void, PLAIN).values()
    assert loss == 0
    (gradient,) = torch.autograd.grad(loss, leaf)
    assert gradient.count_nonzero() == 0


def test_weighted_cross_entropy_is_torchs():
    logits, label = torch.randn(2, 4, 5, 5), torch.randint(0, 4, (2, 5, 5))
    label[0, 0] = 255
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    expected = F.cross_entropy(logits, label, weights, ignore_index=255)
    torch.testing.assert_close(weighted_cross_entropy(logits, label, weights), expected)
    torch.testing.assert_close(
        weighted_cross_entropy(logits, label, None), F.cross_entropy(logits, label, ignore_index=255)
    )


def test_nothing_labelled_gives_zero_and_no_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    depth = torch.rand(1, 4, 4, requires_grad=True)
    loss = weighted_cross_entropy(logits, torch.full((1, 4, 4), 255), torch.ones(3))
    (loss + log_l1(depth, torch.zeros(1, 4, 4))).backward()
    assert logits.grad.abs().max() == 0
    assert depth.grad.abs().max() == 0


def test_log_depth():
    label = torch.tensor([[[0.0, 2.0], [8.0, 100.0]]])
    depth = torch.tensor([[[5.0, 4.0], [4.0, 1.0]]])
    torch.testing.assert_close(log_l1(depth, label), torch.tensor(math.log(2)))


def test_class_weights():
    labels = [torch.tensor([[0, 0, 0, 255]]), torch.tensor([[1, 255, 255, 255]], dtype=torch.uint8)]
    expected = [1 / math.log(1.02 + share) for share in (0.75, 0.25, 0.0)]
    torch.testing.assert_close(class_weights(labels, 3), torch.tensor(expected))
