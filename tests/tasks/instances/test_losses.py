"""The raw losses against their closed forms and torchvision's."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torchvision.ops import generalized_box_iou, generalized_box_iou_loss, sigmoid_focal_loss

from robustbench_seg.tasks.detection import Detection
from robustbench_seg.tasks.instance import Instance
from robustbench_seg.tasks.instance_depth import InstanceDepth
from robustbench_seg.tasks.instances.boxes import giou_loss
from robustbench_seg.tasks.instances.losses import (
    ALPHA,
    GAMMA,
    Comparison,
    assigned_depth_errors,
    class_losses,
)
from tests.tasks.made_instances import CLASSES, Found, Known, labelled, predicted

detection_losses, mask_loss, instance_depth_loss = Detection().losses, Instance().loss, InstanceDepth().loss
BOX, SHIFTED = (8, 8, 40, 40), (12, 8, 44, 40)


def dense(*found: Found):
    return predicted([list(found)])


def truth(*known: Known):
    return labelled([list(known)])


def test_an_exact_box_has_no_regression_loss():
    assert detection_losses(dense(Found(BOX, 1)), truth(Known(BOX, 1)))["reg"].item() == pytest.approx(0, abs=1e-6)


def test_regression_is_giou_weighted_by_centerness():
    output, label = dense(Found(SHIFTED, 1)), truth(Known(BOX, 1))
    comparison = Comparison(output, label)
    at = comparison.positives
    each = torch.stack(
        [1 - generalized_box_iou(output.boxes[0, i][None], torch.tensor([BOX]).float())[0, 0] for i in at.location]
    )
    points = output.locations.points[at.location]
    left, top, right, bottom = points[:, 0] - 8, points[:, 1] - 8, 40 - points[:, 0], 40 - points[:, 1]
    low, high = torch.minimum, torch.maximum
    weight = (low(left, right) / high(left, right) * low(top, bottom) / high(top, bottom)).sqrt()
    expected = (each * weight).sum() / weight.sum()
    torch.testing.assert_close(detection_losses(output, label)["reg"][0], expected)


def test_giou_is_torchvisions():
    g = torch.Generator().manual_seed(0)
    corners = torch.rand(2, 60, 2, 2, generator=g).sort(2).values.flatten(2)
    corners[1, :5] = corners[0, :5]
    corners[1, 5:20] += 1  # no overlap
    results = []
    for loss in (giou_loss, generalized_box_iou_loss):
        ours, others = corners.clone().requires_grad_().unbind(0)
        value = loss(ours, others)
        results.append((value, *torch.autograd.grad(value.square().sum(), (ours, others))))
    for value, expected in zip(*results, strict=True):
        torch.testing.assert_close(value, expected)


def test_background_is_torchvisions_focal_loss():
    output = dense(Found(BOX, 1))
    found = Comparison(output, truth()).varifocal()
    # Focal loss weighs negatives by 1 - alpha.
    expected = sigmoid_focal_loss(output.classes, torch.zeros_like(output.classes), alpha=1 - ALPHA, gamma=GAMMA)
    torch.testing.assert_close(found, expected)


def test_positives_are_weighed_by_their_iou():
    output, label = dense(Found(SHIFTED, 1)), truth(Known(BOX, 1))
    comparison = Comparison(output, label)
    at = comparison.positives
    i = at.location[0]
    iou = 28 * 32 / (36 * 32) if output.boxes[0, i].tolist() == list(map(float, SHIFTED)) else None
    assert iou is not None
    logit = output.classes[0, i, 1]
    entropy = -(iou * torch.nn.functional.logsigmoid(logit) + (1 - iou) * torch.nn.functional.logsigmoid(-logit))
    torch.testing.assert_close(comparison.varifocal()[0, i, 1], iou * entropy)


def test_centerness_at_its_target_is_the_entropy():
    output, label = dense(Found(BOX, 1)), truth(Known(BOX, 1))
    target = Comparison(output, label).positives.centerness.clamp(1e-4, 1 - 1e-4)
    at = Comparison(output, label).positives
    centerness = output.centerness.clone()
    centerness[0, at.location] = target.logit()
    found = detection_losses(dataclasses.replace(output, centerness=centerness), label)["centerness"][0]
    entropy = -(target * target.log() + (1 - target) * (1 - target).log()).mean()
    torch.testing.assert_close(found, entropy, atol=1e-3, rtol=0)


def test_mask_codes_and_depth():
    output, label = dense(Found(BOX, 1, depth=12.0)), truth(Known(BOX, 1, depth=10.0))
    basis, codes = output.basis, output.codes
    assert basis is not None
    assert codes is not None
    # A full mask equals the mean of this basis: its code is 0, and an error of 2 in each component costs 4.
    assert mask_loss(output, label).item() == pytest.approx(0)
    assert mask_loss(dataclasses.replace(output, codes=codes + 2), label).item() == pytest.approx(4)
    assert instance_depth_loss(output, label).item() == pytest.approx(2)


def test_an_instance_without_depth_has_no_depth_loss():
    output = dense(Found(BOX, 1, depth=12.0), Found((48, 8, 88, 56), 2, depth=13.0))
    label = truth(Known(BOX, 1, depth=0.0), Known((48, 8, 88, 56), 2, depth=10.0))
    assert instance_depth_loss(output, label).item() == pytest.approx(3)
    sums = assigned_depth_errors(output, label, CLASSES)[0]
    assert sums[1].tolist() == [0, 0, 0]
    errors, relative, count = sums[2].tolist()
    assert errors / count == pytest.approx(3)
    assert relative / count == pytest.approx(0.3)
    assert sums[-1].tolist() == sums[2].tolist()


def test_losses_of_a_class_are_those_at_its_locations():
    wide = (48, 8, 88, 56)
    output = dense(Found(SHIFTED, 1), Found(wide, 2))
    sums = class_losses(output, truth(Known(BOX, 1), Known(wide, 2)), CLASSES)
    assert sums["reg"][0, 2, 0].item() == pytest.approx(0, abs=1e-5)
    assert sums["reg"][0, 1, 0] > 0
    assert sums["cls"][0, 0].tolist() == [0, 0]
    assert math.isclose(sums["cls"][0, :, 1].sum(), sums["reg"][0, :, 1].sum())


def test_each_image_has_its_own_loss_and_an_empty_one_only_the_background():
    output = predicted([[Found(SHIFTED, 1)], [Found(BOX, 2)]])
    both = detection_losses(output, labelled([[Known(BOX, 1)], []]))
    alone = detection_losses(dense(Found(SHIFTED, 1)), truth(Known(BOX, 1)))
    for name, value in both.items():
        torch.testing.assert_close(value[0], alone[name][0])
    assert both["reg"][1] == both["centerness"][1] == 0
    assert both["cls"][1] > 0
