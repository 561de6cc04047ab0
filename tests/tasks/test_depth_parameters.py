"""What the parameters of depth do: against monodepth2's evaluation written down again, and closed forms."""

import numpy as np
import pytest
import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.base import seen_by
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.normals import Normals
from robustbench_seg.tasks.registry import load_task

ROWS = (0.40810811, 0.99189189)
COLUMNS = (0.03594771, 0.96405229)


def values(task, prediction, label, classes=0, weights=None, **more):
    labels = {"depth": torch.as_tensor(label), **more}
    statistics = task.statistics({"depth": torch.as_tensor(prediction)}, labels, classes)
    weights = np.ones((1, len(label))) if weights is None else np.asarray(weights, float)
    return task.values(statistics, weights, task.scored(statistics))


def metrics(truth, predicted):
    """The seven of Eigen et al. 2014."""
    ratio = np.maximum(truth / predicted, predicted / truth)
    return {
        "abs_rel": np.mean(np.abs(truth - predicted) / truth),
        "sq_rel": np.mean((truth - predicted) ** 2 / truth),
        "rmse": np.sqrt(np.mean((truth - predicted) ** 2)),
        "rmse_log": np.sqrt(np.mean((np.log(truth) - np.log(predicted)) ** 2)),
        **{f"delta{i}": np.mean(ratio < 1.25**i) for i in (1, 2, 3)},
    }


def test_the_eigen_split_is_measured_as_monodepth2_does():
    """Range, Garg's crop, the median of what is left of an image, the clamp, and then the means over images."""
    rng = np.random.default_rng(0)
    height, width = 37, 124
    label = rng.uniform(0.5, 100, (3, height, width))
    label[rng.random(label.shape) < 0.6] = 0
    depth = np.clip(label, 1, None) * rng.uniform(0.2, 1.5, label.shape) / 7
    top, bottom = (int(share * height) for share in ROWS)
    left, right = (int(share * width) for share in COLUMNS)
    crop = np.zeros((height, width), bool)
    crop[top:bottom, left:right] = True
    known = (label > 1e-3) & (label < 80) & crop
    for i in range(3):  # an odd number, of which the median is one
        if known[i].sum() % 2 == 0:
            label[i][tuple(np.argwhere(known[i])[0])] = 0
            known[i] = (label[i] > 1e-3) & (label[i] < 80) & crop
    expected = []
    for truth, predicted, mask in zip(label, depth, known, strict=True):
        scaled = predicted[mask] * (np.median(truth[mask]) / np.median(predicted[mask]))
        expected.append(metrics(truth[mask], np.clip(scaled, 1e-3, 80)))
    task, output, truth = Depth(crop="garg"), torch.from_numpy(depth), torch.from_numpy(label)
    found = values(task, task.rescaling(output, truth, "median")(output), truth).overall
    assert set(found) == set(expected[0])
    for name, value in found.items():
        assert value[0] == pytest.approx(np.mean([image[name] for image in expected]), rel=1e-9)


@pytest.mark.parametrize(
    ("crop", "size", "rows", "columns"),
    [
        ("garg", (375, 1242), (153, 371), (44, 1197)),
        ("eigen", (375, 1242), (124, 342), (44, 1197)),
        ("none", (5, 6), (0, 5), (0, 6)),
    ],
)
def test_a_crop_is_a_share_of_the_label(crop, size, rows, columns):
    task = Depth(crop=crop)
    known = task.valid_pixels(torch.ones(2, *size))
    assert known[:, slice(*rows), slice(*columns)].all()
    assert int(known.sum()) == 2 * (rows[1] - rows[0]) * (columns[1] - columns[0])


def test_what_is_cropped_off_is_not_attacked():
    label = torch.full((1, 20, 40), 10.0)
    output = torch.linspace(1, 60, 800).view(1, 20, 40).requires_grad_(True)
    for loss in ("", *Depth.attack_losses):
        value = Depth(crop="garg").ascended(loss, 0.5)(output, label)
        (gradient,) = torch.autograd.grad(value.sum(), output)
        inside = torch.zeros(20, 40, dtype=torch.bool)
        inside[8:19, 1:38] = True
        assert (gradient[0][inside] != 0).all(), loss
        assert not gradient[0][~inside].any(), loss


@pytest.mark.parametrize(("cap", "errors"), [(20.0, [10]), (80.0, [70, 20]), (250.0, [240, 190, 50])])
def test_labels_beyond_the_cap_do_not_count_and_predictions_end_there(cap, errors):
    """Of 10, 60 and 200 m where too much is predicted everywhere, errors are those to the cap."""
    label, prediction = np.array([[[10.0, 60.0, 200.0]]]), np.full((1, 1, 3), 999.0)
    expected = np.sqrt(np.mean(np.square(errors)))
    assert values(Depth(max_depth=cap), prediction, label).overall["rmse"][0] == pytest.approx(expected)


def test_depth_nearer_than_the_least_does_not_count():
    label, prediction = np.array([[[1.0, 4.0]]]), np.array([[[9.0, 0.5]]])
    assert values(Depth(min_depth=2.0), prediction, label).overall["rmse"] == 2, "of 4 m, predicted at the least, 2 m"


@pytest.mark.parametrize(("pooling", "rmse"), [("image", 2.0), ("mean_square", 5**0.5), ("pixel", 3**0.5)])
def test_rmse_is_pooled_as_asked(pooling, rmse):
    """An image with one pixel that is 3 m off, one with three that are 1 m off, and one without a label."""
    label = np.array([[[10.0, 0, 0]], [[10.0, 20, 30]], [[0, 0, 0]]])
    prediction = label + np.array([3.0, 1.0, 0.0])[:, None, None]
    found = values(Depth(pooling=pooling), prediction, label).overall
    assert found["rmse"][0] == pytest.approx(rmse)
    by_image = [0.3, np.mean([0.1, 0.05, 1 / 30])]
    expected = np.average(by_image, weights=[1, 3]) if pooling == "pixel" else np.mean(by_image)
    assert found["abs_rel"][0] == pytest.approx(expected)
    assert {metric.pooling for metric in Depth(pooling=pooling).metrics} != {""}


@pytest.mark.parametrize("pooling", ["image", "mean_square", "pixel"])
def test_weights_are_repeated_images_however_they_are_pooled(pooling):
    rng = np.random.default_rng(1)
    label = rng.uniform(1, 90, (4, 5, 6))
    prediction = label * rng.uniform(0.5, 2, label.shape)
    label[3] = 0
    regions = torch.from_numpy(rng.integers(0, 3, label.shape))
    task = Depth(pooling=pooling, class_average=True)
    weights = np.array([[1, 2, 0, 3], [0, 0, 0, 1], [2, 1, 1, 0]])
    found = values(task, prediction, label, 3, weights, semantic=regions)
    for row, times in enumerate(weights):
        again = np.repeat(np.arange(4), times)
        expected = values(task, prediction[again], label[again], 3, semantic=regions[again])
        for name, value in found.overall.items():
            assert value[row] == pytest.approx(expected.overall[name][0], nan_ok=True), name
    assert np.isnan(found.overall["class_rmse"][1])


def test_the_class_average_is_the_mean_of_what_classes_have():
    """Errors of 10 % on the only pixel of a class, of 30 and 50 % on those of another; a third class is nowhere."""
    label = np.full((2, 1, 4), 10.0)
    label[1, 0, 3] = 0
    prediction = label * np.array([[[1.1, 1.3, 1.3, 1.3]], [[1.5, 1.5, 1.5, 1.5]]])
    regions = torch.tensor([[[0, 1, 1, 1]], [[1, 1, 1, 2]]])
    task = Depth(class_average=True)
    found = values(task, prediction, label, 3, semantic=regions)
    assert found.classes["abs_rel"][0].tolist() == pytest.approx([0.1, 0.4, np.nan], nan_ok=True)
    assert found.overall["class_abs_rel"][0] == pytest.approx(0.25)
    assert found.overall["abs_rel"][0] == pytest.approx((0.25 + 0.5) / 2)
    assert "class_abs_rel" not in found.classes, "a class has no average over classes"
    metric = task.metric("class_abs_rel")
    assert (metric.title, metric.higher_is_better) == ("AbsRel, class average", False)
    assert metric.pooling == "mean over classes of the mean over images of the per-image value"
    without = values(Depth(), prediction, label, 3, semantic=regions)
    assert set(without.overall) == {name for name in found.overall if not name.startswith("class_")}
    every = Depth(class_average=True, holes=True).metrics
    assert {metric.name for metric in Depth().every_metric} == {metric.name for metric in every}


def test_holes_are_predictions_over_twice_the_depth_by_class():
    label = np.full((1, 1, 6), 10.0)
    prediction = np.array([[[19.9, 20.0, 20.1, 999.0, 1.0, 10.0]]])
    regions = torch.tensor([[[0, 0, 0, 1, 0, 0]]])
    found = values(Depth(holes=True, class_average=True), prediction, label, 2, semantic=regions)
    assert found.overall["holes"][0] == pytest.approx(2 / 6)
    assert found.classes["holes"][0].tolist() == pytest.approx([1 / 5, 1])
    assert found.overall["class_holes"][0] == pytest.approx(3 / 5)
    plain = values(Depth(), prediction, label, 2, semantic=regions)
    assert "holes" not in plain.overall
    assert all(plain.overall[name] == found.overall[name] for name in plain.overall)
    assert {"holes", "class_holes"} <= {metric.name for metric in Depth().every_metric}


def test_regions_of_a_frozen_model_are_those_it_saw():
    label, prediction = np.full((1, 1, 4), 10.0), np.array([[[11.0, 12.0, 13.0, 15.0]]])
    seen = torch.tensor([[[0, 0, 1, 1]]])
    elsewhere = {"semantic": torch.zeros_like(seen), seen_by("frozen"): seen}
    found = values(Depth(regions="frozen"), prediction, label, 2, **elsewhere)
    assert found.classes["abs_rel"][0].tolist() == pytest.approx([0.15, 0.4])


def test_parameters_are_of_every_task_with_regions():
    label = torch.nn.functional.normalize(torch.ones(1, 3, 1, 4), dim=1)
    task = load_task("normals", {"class_average": True, "pooling": "pixel"})
    assert isinstance(task, Normals)
    regions = torch.tensor([[[0, 0, 0, 1]]])
    output = torch.where(regions[:, None] == 1, -label, label)
    statistics = task.statistics({"normals": output}, {"normals": label, "semantic": regions}, 2)
    found = task.values(statistics, np.ones((1, 1)), task.scored(statistics)).overall
    assert (found["angular_error"][0], found["class_angular_error"][0]) == pytest.approx((45, 90))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_depht": 50}, "unknown parameter of Depth 'max_depht'; did you mean max_depth"),
        ({"max_depth": "far"}, "Depth.max_depth = 'far' must be of type float, such as 80.0"),
        ({"max_depth": 0}, "max_depth 0 are no range; give metres with 0 < min_depth < max_depth"),
        ({"max_depth": float("inf")}, "max_depth inf are no range"),
        ({"crop": "grag"}, "unknown crop of depth 'grag'; did you mean garg"),
        ({"pooling": "pixels"}, "unknown pooling of depth 'pixels'; did you mean pixel"),
    ],
)
def test_a_wrong_parameter_is_one_line(given, message):
    with pytest.raises(UsageError, match=message):
        load_task("depth", given)
