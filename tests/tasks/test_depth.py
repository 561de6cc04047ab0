from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.depth_align import Counted, median_ratio

TASK = Depth()
CLASSES = 4
DIRECTIONS = {
    "rmse": False,
    "abs_rel": False,
    "sq_rel": False,
    "rmse_log": False,
    "delta1": True,
    "delta2": True,
    "delta3": True,
}


@pytest.fixture
def scene():
    """Five images: labels in metres with invalid 0 and pixels beyond 80 m, predictions partly out of range."""
    rng = np.random.default_rng(0)
    label = rng.uniform(1, 90, (5, 7, 9))
    label[rng.random(label.shape) < 0.2] = 0
    prediction = np.clip(label, 1, None) * rng.uniform(0.5, 2.0, label.shape)
    prediction[rng.random(label.shape) < 0.05] = -3
    prediction[rng.random(label.shape) < 0.05] = 500
    regions = rng.integers(0, CLASSES - 1, label.shape)  # the last class occurs nowhere
    regions[rng.random(label.shape) < 0.1] = 255
    return label.astype(np.float32), prediction.astype(np.float32), regions


def evaluate(label, prediction, regions=None, weights=None, scored=None):
    labels = {"depth": torch.from_numpy(label)}
    if regions is not None:
        labels["semantic"] = torch.from_numpy(regions)
    statistics = TASK.statistics({"depth": torch.from_numpy(prediction)}, labels, CLASSES)
    weights = np.ones((1, len(label))) if weights is None else np.asarray(weights, np.float64)
    return TASK.values(statistics, weights, TASK.scored(statistics) if scored is None else scored)


def directly(label, prediction, keep=True):
    """The metrics of one image as every paper's evaluation script writes them."""
    valid = (label > 1e-3) & (label < 80) & keep
    truth, predicted = label[valid].astype(np.float64), np.clip(prediction[valid].astype(np.float64), 1e-3, 80)
    if not len(truth):
        return dict.fromkeys(DIRECTIONS, np.nan)
    ratio = np.maximum(truth / predicted, predicted / truth)
    return {
        "rmse": np.sqrt(((truth - predicted) ** 2).mean()),
        "abs_rel": (np.abs(truth - predicted) / truth).mean(),
        "sq_rel": ((truth - predicted) ** 2 / truth).mean(),
        "rmse_log": np.sqrt(((np.log(truth) - np.log(predicted)) ** 2).mean()),
        "delta1": (ratio < 1.25).mean(),
        "delta2": (ratio < 1.25**2).mean(),
        "delta3": (ratio < 1.25**3).mean(),
    }


@pytest.mark.parametrize("name", DIRECTIONS)
def test_metrics_equal_a_direct_computation(scene, name):
    label, prediction, _ = scene
    expected = np.mean([directly(*image)[name] for image in zip(label, prediction, strict=True)])
    assert evaluate(label, prediction).overall[name] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_per_class_metrics_are_over_the_pixels_labelled_so(scene, name):
    label, prediction, regions = scene
    values = evaluate(label, prediction, regions)
    for index in range(CLASSES - 1):
        images = zip(label, prediction, regions == index, strict=True)
        expected = np.mean([directly(*image)[name] for image in images])
        assert values.classes[name][0, index] == pytest.approx(expected, rel=1e-9)
    assert np.isnan(values.classes[name][0, -1])
    assert values.overall[name] == evaluate(label, prediction).overall[name]


def test_a_class_is_averaged_over_the_images_that_have_it(scene):
    label, prediction, regions = scene
    regions[1:] = 1
    regions[0] = 0
    values = evaluate(label, prediction, regions)
    assert values.classes["rmse"][0, 0] == pytest.approx(directly(label[0], prediction[0])["rmse"])


def test_rmse_is_the_mean_of_images_not_of_pixels(scene):
    label, prediction, _ = scene
    prediction[0] = label[0]
    label[0, 1:] = 0  # a perfect image of few pixels weighs as much as any
    pooled = directly(label, prediction)["rmse"]
    assert abs(evaluate(label, prediction).overall["rmse"][0] - pooled) > 0.1


def test_an_image_without_valid_pixels_is_left_out(scene):
    label, prediction, _ = scene
    label[2] = 0
    label[3] = 85
    kept = [0, 1, 4]
    expected = evaluate(label[kept], prediction[kept])
    for name in DIRECTIONS:
        assert evaluate(label, prediction).overall[name] == pytest.approx(expected.overall[name])


def test_weights_equal_repeating_images(scene):
    label, prediction, regions = scene
    label[2] = 0
    weights = np.array([[1, 1, 1, 1, 1], [3, 0, 2, 1, 0], [0, 0, 4, 0, 0]])
    values = evaluate(label, prediction, regions, weights)
    for row, times in enumerate(weights):
        repeated = np.repeat(np.arange(5), times)
        again = evaluate(label[repeated], prediction[repeated], regions[repeated])
        for name in DIRECTIONS:
            assert values.overall[name][row] == pytest.approx(again.overall[name][0], nan_ok=True)
            assert values.classes[name][row] == pytest.approx(again.classes[name][0], nan_ok=True)
    assert np.isnan(values.overall["rmse"][2]), "an image without a valid pixel, four times"


def test_nothing_is_nan(scene):
    label, prediction, regions = scene
    for values in (
        evaluate(np.zeros_like(label), prediction, regions),
        evaluate(label, prediction, regions, np.zeros((1, 5))),
    ):
        for name in DIRECTIONS:
            assert np.isnan(values.overall[name]).all()
            assert np.isnan(values.classes[name]).all()


def test_scored_are_the_classes_with_valid_depth(scene):
    label, prediction, regions = scene
    label[regions == 1] = 0
    statistics = TASK.statistics(
        {"depth": torch.from_numpy(prediction)},
        {"depth": torch.from_numpy(label), "semantic": torch.from_numpy(regions)},
        CLASSES,
    )
    assert TASK.scored(statistics).tolist() == [True, False, True, False]


def test_classes_that_are_not_scored_have_no_value(scene):
    label, prediction, regions = scene
    values = evaluate(label, prediction, regions, scored=np.array([True, False, True, True]))
    assert np.isnan(values.classes["rmse"][0]).tolist() == [False, True, False, True]


def test_invalid_pixels_do_not_count(scene):
    label, prediction, _ = scene
    invalid = (label == 0) | (label >= 80)
    scribbled = np.where(invalid, 12.0, prediction).astype(np.float32)
    assert (scribbled != prediction).any()
    for name in DIRECTIONS:
        assert evaluate(label, scribbled).overall[name] == evaluate(label, prediction).overall[name]


def test_a_perfect_prediction(scene):
    label, _, _ = scene
    values = evaluate(label, label).overall
    assert {name: values[name][0] for name in DIRECTIONS} == {name: float(up) for name, up in DIRECTIONS.items()}


def test_the_loss_is_rmse_over_valid_pixels_without_clamping(scene):
    label, prediction, _ = scene
    label[3] = 0
    output = torch.from_numpy(prediction).requires_grad_(True)
    loss = TASK.loss(output, torch.from_numpy(label))
    valid = (label > 1e-3) & (label < 80)
    for i in (0, 1, 2, 4):
        expected = np.sqrt(((label[i] - prediction[i])[valid[i]] ** 2).mean())
        assert loss[i].item() == pytest.approx(expected, rel=1e-5)
    assert loss[3] == 0
    (gradient,) = torch.autograd.grad(loss.sum(), output)
    assert gradient.isfinite().all()
    assert gradient[torch.from_numpy(~valid)].count_nonzero() == 0
    assert TASK.valid(torch.from_numpy(label)).tolist() == [True, True, True, False, True]


def test_the_loss_of_a_perfect_prediction_has_a_gradient_of_zero_not_nan():
    label = torch.full((1, 2, 2), 7.0)
    output = label.clone().requires_grad_(True)
    loss = TASK.loss(output, label)
    (gradient,) = torch.autograd.grad(loss.sum(), output)
    assert loss.item() == 0
    assert gradient.count_nonzero() == 0


def test_median_ratio_brings_the_medians_together(scene):
    label, prediction, _ = scene
    prediction = np.abs(prediction)
    label[1] = 0
    output = torch.from_numpy(prediction).requires_grad_(True)
    truth = torch.from_numpy(label)
    ratio = median_ratio(output, Counted(truth, TASK.valid_pixels(truth)))
    assert not ratio.requires_grad
    assert ratio[1] == 1
    for i in (0, 2, 3, 4):
        valid = (label[i] > 1e-3) & (label[i] < 80)
        middle = (valid.sum() - 1) // 2  # torch takes the lower of two middle values
        expected = np.sort(label[i][valid])[middle] / np.sort(prediction[i][valid])[middle]
        assert ratio[i].item() == pytest.approx(expected, rel=1e-6)


def test_metrics_declare_direction_unit_and_pooling():
    assert {metric.name: metric.higher_is_better for metric in TASK.metrics} == DIRECTIONS
    assert {metric.name: metric.unit for metric in TASK.metrics if metric.unit} == {"rmse": "m", "sq_rel": "m"}
    assert all("image" in metric.pooling for metric in TASK.metrics)
    assert (TASK.curve, TASK.group, TASK.key) == ("rmse", "geometric", "depth")


# regions


def test_regions_by_prediction_are_those_by_a_label_that_says_the_same(scene):
    label, prediction, regions = scene
    predicted = np.where(regions == 255, CLASSES - 1, regions)
    logits = torch.nn.functional.one_hot(torch.from_numpy(predicted), CLASSES).movedim(-1, 1).float()
    outputs = {"depth": torch.from_numpy(prediction), "semantic": logits}
    labels = {"depth": torch.from_numpy(label), "semantic": torch.zeros_like(torch.from_numpy(regions))}
    found = Depth(regions="prediction").statistics(outputs, labels, CLASSES)
    expected = TASK.statistics(outputs, {**labels, "semantic": torch.from_numpy(predicted)}, CLASSES)
    for one, other in zip(found, expected, strict=True):
        assert np.array_equal(one["sums"], other["sums"])
    without = Depth(regions="prediction").statistics({"depth": outputs["depth"]}, labels, CLASSES)
    assert not any(image["sums"][:-1].any() for image in without)
    assert np.array_equal(without[0]["sums"][-1], found[0]["sums"][-1])


def test_what_is_read_beside_its_own_label():
    assert TASK.reads == ("semantic",)
    assert Depth(regions="prediction").reads == ()
    assert not TASK.segmenter
    assert not Depth(regions="prediction").segmenter
    assert Depth(regions="a-model").segmenter == "a-model"
