from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.base import RawLoss
from robustbench_seg.tasks.instance_depth import InstanceDepth
from tests.tasks.made_instances import CLASSES, VOID, Found, Known, labelled, predicted

TASK = InstanceDepth()
TALL, SQUARE, WIDE, SMALL = (8, 8, 24, 56), (48, 8, 88, 48), (32, 16, 88, 44), (60, 4, 66, 10)
LABELS = [
    [Known(TALL, 0, 10.0), Known(SQUARE, 1, 20.0)],
    [Known(TALL, 0, 40.0)],
    [Known(WIDE, 1, 0.0), Known(SMALL, 2, 5.0), Known(TALL, VOID, 5.0)],  # unknown, too small, not scored
]
FOUND = [
    [Found(TALL, 3, depth=12.0), Found(SQUARE, 3, depth=15.0)],
    [Found(TALL, 3, depth=36.0)],
    [Found(WIDE, 3, depth=1.0)],
]


def statistics():
    return TASK.statistics({"instances": predicted(FOUND)}, {"instances": labelled(LABELS)}, CLASSES)


def evaluate(weights=((1.0, 1.0, 1.0),), scored=None):
    made = statistics()
    return TASK.values(made, np.array(weights), TASK.scored(made) if scored is None else scored)


def test_errors_of_each_class():
    """The two tall instances have as many locations as each other."""
    values = evaluate()
    assert values.classes["l1"][0, :2] == pytest.approx([(2 + 4) / 2, 5])
    assert values.classes["abs_rel"][0, :2] == pytest.approx([(2 / 10 + 4 / 40) / 2, 5 / 20])
    assert np.isnan(values.classes["l1"][0, 2:]).all()


def test_the_overall_error_is_over_locations():
    tall, square = (statistics()[0]["errors"][label, -1] for label in (0, 1))
    assert 0 < tall < square
    total = 2 * tall + square
    assert evaluate().overall["l1"] == pytest.approx([(6 * tall + 5 * square) / total])
    assert evaluate().overall["abs_rel"] == pytest.approx([(0.3 * tall + 0.25 * square) / total])


def test_weights_count_images():
    values = evaluate([[3.0, 1.0, 0.0], [0.0, 2.0, 7.0], [0.0, 0.0, 1.0]])
    assert values.classes["l1"][:, 0] == pytest.approx([(3 * 2 + 4) / 4, 4, np.nan], nan_ok=True)
    assert values.overall["l1"][1:] == pytest.approx([4, np.nan], nan_ok=True)


def test_scored_are_the_classes_of_instances_that_count():
    assert TASK.scored(statistics()).tolist() == [True, True, False, False]
    values = evaluate(scored=np.array([False, True, True, True]))
    assert np.isnan(values.classes["abs_rel"][0]).tolist() == [True, False, True, True]


def test_the_loss_is_metres_off_and_void_is_zero():
    dense, truth = predicted(FOUND), labelled(LABELS)
    dense.depth.requires_grad_(True)
    loss = TASK.loss(dense, truth)
    tall, square = (statistics()[0]["errors"][label, -1] for label in (0, 1))
    assert loss.tolist() == pytest.approx([(2 * tall + 5 * square) / (tall + square), 4, 0])
    (gradient,) = torch.autograd.grad(loss.sum(), dense.depth)
    assert gradient.count_nonzero(1).tolist() == [tall + square, tall, 0]
    assert TASK.valid(truth).tolist() == [True, True, False]


def test_there_is_no_loss_to_another_output():
    with pytest.raises(UsageError, match="instance_depth: no loss to another output"):
        TASK.distance(predicted(FOUND), predicted(FOUND))


def test_metrics_declare_direction_unit_and_pooling():
    assert [(m.name, m.higher_is_better, m.unit) for m in TASK.metrics] == [("l1", False, "m"), ("abs_rel", False, "")]
    assert all("location" in metric.pooling for metric in TASK.metrics)
    assert (TASK.curve, TASK.group, TASK.key) == ("l1", "geometric", "instances")
    assert TASK.raw_losses == (RawLoss("instance_depth", "instance depth", "geometric"),)
