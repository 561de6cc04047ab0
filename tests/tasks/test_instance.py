from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.results.records import pack, unpack
from robustbench_seg.tasks.base import RawLoss
from robustbench_seg.tasks.detection import Detection
from robustbench_seg.tasks.instance import Instance
from robustbench_seg.tasks.instances import rle
from tests.tasks.made_instances import CLASSES, VOID, Found, Known, labelled, predicted

TASK = Instance()
TALL, SQUARE, WIDE = (8, 8, 24, 56), (8, 8, 48, 48), (32, 16, 88, 44)
LABELS = [[Known(TALL, 0), Known(WIDE, 1, round=True)], [Known(SQUARE, 0)], [Known(WIDE, VOID)]]
FOUND = [[Found(TALL, 0), Found(WIDE, 1)], [Found(SQUARE, 0)], []]
SCORED = np.array([True, True, False, False])


def evaluate(task, weights=((1.0, 1.0, 1.0),)):
    made = task.statistics({"instances": predicted(FOUND)}, {"instances": labelled(LABELS)}, CLASSES)
    assert task.scored(made).tolist() == SCORED.tolist()
    return task.values(made, np.array(weights), SCORED)


def test_masks_are_compared_not_boxes():
    """An ellipse covers pi/4 = .785 of its box: found up to IoU .75, six thresholds of ten."""
    values = evaluate(TASK)
    assert values.classes["ap"][0, :2] == pytest.approx([1, 0.6])
    assert values.classes["ap50"][0, :2] == pytest.approx([1, 1])
    assert np.isnan(values.classes["ap"][0, 2:]).all()
    assert {name: value[0] for name, value in values.overall.items()} == pytest.approx({"ap": 0.8, "ap50": 1.0})
    assert evaluate(Detection()).overall["ap"] == pytest.approx([1])


def test_a_resample_is_of_images():
    values = evaluate(TASK, [[1.0, 0.0, 5.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    assert values.overall["ap"] == pytest.approx([0.8, 1, np.nan], nan_ok=True)


def test_the_store_keeps_the_masks():
    dense = predicted(FOUND)
    made = TASK.statistics({"instances": dense}, {"instances": labelled(LABELS)}, CLASSES)
    for image, detections in zip(made, dense.detections(), strict=True):
        assert np.array_equal(rle.from_store(unpack(pack(image))), detections.masks.numpy())


def test_the_loss_is_that_of_the_mask_codes():
    dense, truth = predicted(FOUND), labelled(LABELS)
    dense = replace(dense, codes=torch.full_like(dense.codes, 0.3).requires_grad_(True))
    loss = TASK.loss(dense, truth)
    # The basis has components of 0, so every code to learn is 0.
    torch.testing.assert_close(loss, torch.tensor([0.09, 0.09, 0.0]))
    assert list(TASK.losses(dense, truth)) == ["mask"]
    (gradient,) = torch.autograd.grad(loss[0], dense.codes)
    assert gradient[0].count_nonzero() > 0
    assert gradient[1:].count_nonzero() == 0
    assert TASK.valid(truth).tolist() == [True, True, False]


def test_a_model_without_masks_is_told_so():
    dense = replace(predicted(FOUND), codes=None)
    with pytest.raises(UsageError, match="instance: these detections have no masks"):
        TASK.statistics({"instances": dense}, {"instances": labelled(LABELS)}, CLASSES)


def test_there_is_no_loss_to_another_output():
    with pytest.raises(UsageError, match="instance: no loss to another output"):
        TASK.distance(predicted(FOUND), predicted(FOUND))


def test_metrics_declare_direction_unit_and_pooling():
    assert {metric.name: metric.higher_is_better for metric in TASK.metrics} == {"ap": True, "ap50": True}
    assert all("masks" in metric.pooling for metric in TASK.metrics)
    assert (TASK.curve, TASK.group, TASK.key) == ("ap", "semantic", "instances")
    assert TASK.raw_losses == (RawLoss("mask", "instance mask", "semantic"),)
