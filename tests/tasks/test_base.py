"""What holds for every registered task."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from robustbench_seg.tasks.base import stack, weighted_mean
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.truth import InstanceLabels
from robustbench_seg.tasks.masked import masked_mean
from robustbench_seg.tasks.registry import TASKS
from tests.tasks.made import LABELS, OUTPUTS, made_for
from tests.tasks.made_instances import labelled

LEAVES = {"detection": "boxes", "instance": "codes", "instance_depth": "depth"}
"""What of the dense instances a task's loss depends on."""


def without(task, labels, i):
    """The labels with nothing in image i."""
    if task.key == "instances":
        return InstanceLabels(tuple(labelled([[]])[0] if j == i else image for j, image in enumerate(labels)))
    return labels.clone().index_fill_(0, torch.tensor(i), task.label_rule.outside)


def one(value, i):
    """Image i alone of an output or label."""
    if not isinstance(value, DenseInstances):
        return value[i : i + 1]
    names = ("classes", "boxes", "centerness", "codes", "depth")
    return dataclasses.replace(value, **{name: getattr(value, name)[i : i + 1] for name in names})


def with_gradient(task):
    """The task's output, and the tensor its loss is differentiated by."""
    if task.key != "instances":
        leaf = OUTPUTS[task.key].clone().requires_grad_(True)
        return leaf, leaf
    name = LEAVES[task.name]
    # Moved off its target, where the loss would be flat.
    leaf = (getattr(OUTPUTS["instances"], name) + 0.5).requires_grad_(True)
    return dataclasses.replace(OUTPUTS["instances"], **{name: leaf}), leaf


@pytest.fixture(params=list(TASKS))
def task(request):
    task = TASKS.get(request.param)()
    made_for(task.key)
    return task


def test_a_task_without_an_output_and_a_label_here_is_asked_for_them():
    with pytest.raises(AssertionError, match=r"add an output and a label of 'shading' to MADE in tests/tasks/made\.py"):
        made_for("shading")


def test_a_task_is_registered_under_its_name(task):
    assert TASKS.get(task.name) is type(task)
    assert task.group in ("semantic", "geometric", None)


def test_the_curve_is_one_of_its_metrics(task):
    names = [metric.name for metric in task.metrics]
    assert task.curve in names
    assert len(set(names)) == len(names)


def test_every_metric_has_a_value_an_image_and_a_class(task):
    statistics = task.statistics(OUTPUTS, LABELS, 4)
    values = task.values(statistics, np.ones((2, 3)), np.ones(4, bool))
    assert set(values.overall) == {metric.name for metric in task.metrics}
    assert all(value.shape == (2,) and np.isfinite(value).all() for value in values.overall.values())
    assert not values.classes or task.curve in values.classes
    assert all(value.shape == (2, 4) for value in values.classes.values())


def test_statistics_are_each_images_own(task):
    together = task.statistics(OUTPUTS, LABELS, 4)
    for i, image in enumerate(together):
        labels = {key: label[i : i + 1] for key, label in LABELS.items()}
        (alone,) = task.statistics({key: one(output, i) for key, output in OUTPUTS.items()}, labels, 4)
        assert image.keys() == alone.keys()
        for key, value in image.items():
            assert value.dtype == np.float64
            assert np.array_equal(value, alone[key])


def test_the_loss_of_an_image_is_its_own_and_void_is_zero(task):
    labels = without(task, LABELS[task.key], 1)
    output, leaf = with_gradient(task)
    loss = task.loss(output, labels)
    assert loss.shape == (3,)
    (gradient,) = torch.autograd.grad(loss[0], leaf, retain_graph=True)
    assert gradient[0].count_nonzero() > 0
    assert gradient[1:].count_nonzero() == 0
    if task.name != "detection":  # there, nothing to find is a label like any other
        assert loss[1] == 0
        assert task.valid(labels).tolist() == [True, False, True]


def test_raw_losses_add_up_to_the_loss(task):
    raw = task.losses(OUTPUTS[task.key], LABELS[task.key])
    assert list(raw) == [loss.name for loss in task.raw_losses]
    torch.testing.assert_close(sum(raw.values()), task.loss(OUTPUTS[task.key], LABELS[task.key]))


# the helpers


def test_weighted_mean_leaves_out_what_has_no_value():
    values = np.array([[1.0, np.nan], [3.0, 5.0], [np.nan, np.nan]])
    weights = np.array([[1.0, 1.0, 1.0], [3.0, 1.0, 9.0], [0.0, 0.0, 1.0]])
    expected = [[2.0, 5.0], [1.5, 5.0], [np.nan, np.nan]]
    np.testing.assert_allclose(weighted_mean(values, weights), expected)


def test_weighted_mean_of_one_number_an_image():
    np.testing.assert_allclose(weighted_mean(np.array([1.0, 4.0]), np.array([[1.0, 2.0]])), [3.0])


def test_masked_mean_is_zero_on_nothing():
    values = torch.tensor([[[1.0, 2.0], [float("nan"), 4.0]], [[1.0, 1.0], [1.0, 1.0]]])
    mask = torch.tensor([[[True, False], [False, True]], [[False, False], [False, False]]])
    assert masked_mean(values, mask).tolist() == [2.5, 0.0]


def test_stack_puts_images_first():
    assert stack([{"a": np.ones((2, 3))}, {"a": np.zeros((2, 3))}], "a").shape == (2, 2, 3)
