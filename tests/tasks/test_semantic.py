from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchmetrics.classification import MulticlassJaccardIndex

from robustbench_seg.tasks.semantic import Semantic, confusion

VOID, CLASSES = 255, 5
TASK = Semantic()


def logits_of(prediction: torch.Tensor) -> torch.Tensor:
    return F.one_hot(prediction, CLASSES).permute(0, 3, 1, 2).float()


@pytest.fixture
def scene():
    """Six images whose classes are of very different size; labels, void and predictions (6,11,13)."""
    g = torch.Generator().manual_seed(0)
    shape = (6, 11, 13)
    label = torch.randint(0, CLASSES, shape, generator=g)
    label = torch.where(torch.rand(shape, generator=g) < 0.7, torch.arange(6).view(-1, 1, 1) % 3, label)
    prediction = torch.where(torch.rand(shape, generator=g) < 0.6, label, torch.randint(0, CLASSES, shape, generator=g))
    label = torch.where(torch.rand(shape, generator=g) < 0.15, VOID, label)
    return label, prediction


def evaluate(label, prediction, weights=None, scored=None):
    statistics = TASK.statistics({"semantic": logits_of(prediction)}, {"semantic": label}, CLASSES)
    weights = np.ones((1, len(label))) if weights is None else np.asarray(weights, np.float64)
    return TASK.values(statistics, weights, TASK.scored(statistics) if scored is None else scored)


def by_torchmetrics(label, prediction, average: str = "macro"):
    metric = MulticlassJaccardIndex(CLASSES, average=average, ignore_index=VOID)
    return metric(prediction, label).double().numpy()[()]


# mIoU


def test_miou_and_per_class_iou_equal_torchmetrics(scene):
    label, prediction = scene
    values = evaluate(label, prediction)
    assert values.overall["miou"][0] == pytest.approx(by_torchmetrics(label, prediction), abs=1e-6)
    assert values.classes["miou"][0] == pytest.approx(by_torchmetrics(label, prediction, "none"), abs=1e-6)


def test_a_class_that_occurs_nowhere_has_no_share(scene):
    label, prediction = (torch.where(part == 3, 0, part) for part in scene)
    values = evaluate(label, prediction)
    assert values.overall["miou"][0] == pytest.approx(by_torchmetrics(label, prediction), abs=1e-6)
    assert np.isnan(values.classes["miou"][0]).tolist() == [False, False, False, True, False]


def test_miou_is_over_the_data_set_not_the_mean_of_images(scene):
    label, prediction = scene
    images = [by_torchmetrics(label[i : i + 1], prediction[i : i + 1]) for i in range(len(label))]
    assert abs(evaluate(label, prediction).overall["miou"][0] - np.mean(images)) > 0.02


def test_a_stray_pixel_of_an_absent_class_costs_a_pixel(scene):
    label = torch.where(scene[0] == 3, 0, scene[0])
    prediction = torch.where(label == VOID, 0, label)
    clean = evaluate(label, prediction).overall["miou"]
    assert clean == pytest.approx(1.0)
    at = (label == 0).nonzero()[0]
    prediction[tuple(at)] = 3
    strayed = evaluate(label, prediction).overall["miou"]
    assert 0 < clean - strayed < 0.01 < 1 / CLASSES


def test_a_resample_scores_the_classes_of_its_own_labels():
    """Image 1 holds all of class 2: where it is drawn zero times a stray pixel must not cost a class's share."""
    label = torch.zeros(2, 4, 25, dtype=torch.long)
    label[0, 0], label[1] = 1, 2
    clean = label.clone()
    attacked = label.clone()
    attacked[0, 3, 0] = 2
    without, once = [2.0, 0.0], [1.0, 1.0]
    clean, attacked = (evaluate(label, p, [without, once], np.arange(CLASSES) < 3) for p in (clean, attacked))
    assert clean.overall["miou"] == pytest.approx([1.0, 1.0])
    assert attacked.overall["miou"] == pytest.approx([(1 + 74 / 75) / 2, (1 + 74 / 75 + 100 / 101) / 3])
    for values in (clean, attacked):
        assert np.isnan(values.classes["miou"]).tolist() == [[False, False, True, True, True], [False] * 3 + [True] * 2]


def test_classes_that_are_not_scored_have_no_value(scene):
    label, prediction = scene
    scored = np.array([True, False, True, True, False])
    values = evaluate(label, prediction, scored=scored)
    everything = evaluate(label, prediction)
    assert np.isnan(values.classes["miou"][0]).tolist() == (~scored).tolist()
    assert values.overall["miou"][0] == pytest.approx(everything.classes["miou"][0][scored].mean())


def test_scored_are_the_classes_of_the_labels_whatever_is_predicted(scene):
    label = torch.where(scene[0] == 3, VOID, scene[0])
    for prediction in (scene[1], torch.full_like(label, 3)):
        statistics = TASK.statistics({"semantic": logits_of(prediction)}, {"semantic": label}, CLASSES)
        assert TASK.scored(statistics).tolist() == [True, True, True, False, True]


def test_weights_equal_repeating_images(scene):
    label, prediction = scene
    weights = np.array([[1, 1, 1, 1, 1, 1], [2, 0, 1, 3, 0, 0], [0, 0, 0, 0, 6, 0]])
    values = evaluate(label, prediction, weights)
    for row, times in enumerate(weights):
        repeated = torch.from_numpy(np.repeat(np.arange(6), times))
        again = evaluate(label[repeated], prediction[repeated])
        for name in ("miou", "pixel_accuracy"):
            assert values.overall[name][row] == pytest.approx(again.overall[name][0], abs=1e-12)
        assert values.classes["miou"][row] == pytest.approx(again.classes["miou"][0], abs=1e-12, nan_ok=True)


def test_pixel_accuracy_is_the_share_of_labelled_pixels(scene):
    label, prediction = scene
    known = label != VOID
    expected = (label == prediction)[known].double().mean()
    assert evaluate(label, prediction).overall["pixel_accuracy"] == pytest.approx(float(expected))


def test_void_pixels_do_not_count(scene):
    label, prediction = scene
    scribbled = torch.where(label == VOID, (prediction + 1) % CLASSES, prediction)
    one, other = evaluate(label, prediction), evaluate(label, scribbled)
    assert np.array_equal(one.overall["miou"], other.overall["miou"])
    assert np.array_equal(one.overall["pixel_accuracy"], other.overall["pixel_accuracy"])


def test_nothing_is_nan(scene):
    label, prediction = scene
    for values in (evaluate(torch.full_like(label, VOID), prediction), evaluate(label, prediction, np.zeros((1, 6)))):
        assert np.isnan(values.overall["miou"]).all()
        assert np.isnan(values.overall["pixel_accuracy"]).all()
        assert np.isnan(values.classes["miou"]).all()


def test_confusion_counts_pixels(scene):
    label, prediction = scene
    expected = np.zeros((6, CLASSES, CLASSES))
    for (i, y, x), truth in np.ndenumerate(label.numpy()):
        if truth != VOID:
            expected[i, truth, prediction[i, y, x]] += 1
    assert np.array_equal(confusion(prediction, label, CLASSES).numpy(), expected)
    stored = TASK.statistics({"semantic": logits_of(prediction)}, {"semantic": label}, CLASSES)
    assert np.array_equal([image["confusion"] for image in stored], expected)


# the loss


def test_the_loss_is_each_images_mean_over_labelled_pixels(scene):
    label, _ = scene
    label[4] = VOID
    logits = torch.randn(6, CLASSES, 11, 13, generator=torch.Generator().manual_seed(1)).requires_grad_(True)
    expected = [F.cross_entropy(logits[i : i + 1], label[i : i + 1], ignore_index=VOID) for i in range(6) if i != 4]
    loss = TASK.loss(logits, label)
    torch.testing.assert_close(loss[torch.arange(6) != 4], torch.stack(expected))
    assert loss[4] == 0
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    assert gradient[4].count_nonzero() == 0
    assert gradient[(label == VOID)[:, None].expand_as(gradient)].count_nonzero() == 0
    assert TASK.valid(label).tolist() == [True, True, True, True, False, True]


def test_the_loss_is_finite_at_any_gap():
    label = torch.tensor([[[0, 1]]])
    logits = torch.tensor([[[[200.0, 200.0]], [[0.0, 0.0]], *[[[-200.0, -200.0]]] * 3]])
    assert TASK.loss(logits, label).item() == pytest.approx(100.0)
    assert math.isfinite(TASK.loss(1e4 * logits, label).item())


def test_metrics_declare_direction_unit_and_pooling():
    assert [(m.name, m.higher_is_better, m.unit) for m in TASK.metrics] == [
        ("miou", True, ""),
        ("pixel_accuracy", True, ""),
    ]
    assert all(metric.pooling for metric in TASK.metrics)
    assert (TASK.curve, TASK.group, TASK.key) == ("miou", "semantic", "semantic")
    assert TASK.metric("miou") is TASK.metrics[0]
    with pytest.raises(KeyError):
        TASK.metric("rmse")


@pytest.mark.parametrize(
    ("num_classes", "value", "is_implausible"),
    [
        (19, 0.09, True),
        (19, 0.11, False),
        (8, 0.12, True),
        (8, 0.13, False),
        (2, 0.49, True),
        (2, 0.6, False),
        (1, 0.9, False),
        (1, 0.05, True),
    ],
)
def test_an_miou_that_one_class_everywhere_reaches_is_implausible(num_classes, value, is_implausible):
    assert bool(TASK.implausible("miou", value, num_classes)) == is_implausible
    assert not TASK.implausible("pixel_accuracy", value, num_classes)
