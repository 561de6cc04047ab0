from __future__ import annotations

import faster_coco_eval
import numpy as np
import pycocotools.coco
import pytest
from pycocotools.cocoeval import COCOeval

from robustbench_seg.tasks.instances.matching import boxes, masks, match
from robustbench_seg.tasks.instances.precision import average_precision, precision_values
from tests.tasks.instances.coco_reference import (
    CLASSES,
    Image,
    detections,
    evaluated,
    instances,
    precision_of,
    random_images,
)

LIBRARIES = {
    "pycocotools": (pycocotools.coco, COCOeval),
    "faster_coco_eval": (faster_coco_eval, faster_coco_eval.COCOeval_faster),
}
BOX, OTHER = [4, 4, 24, 24], [30, 10, 60, 40]
ALL = np.ones(CLASSES, bool)
TRUTH = instances([BOX], [1])


def matched(images: list[Image], kind=boxes):
    return [match(*image, CLASSES, kind) for image in images]


def once(images: list[Image], scored=ALL):
    """AP (C,T) of images that count once."""
    return average_precision(matched(images), np.ones((1, len(images))), scored)[0]


# against the libraries


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", [boxes, masks])
@pytest.mark.parametrize("seed", range(3))
def test_ap_is_cocos(library, kind, seed):
    images = random_images(seed)
    ours = average_precision(matched(images, kind), np.ones((1, len(images))), ALL)[0]
    theirs = precision_of(evaluated(*LIBRARIES[library], images, kind))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert np.isnan(ours).all(1).tolist() == [False] * (CLASSES - 1) + [True]
    assert (ours[CLASSES - 2] == 0).all()
    assert ((ours[:3, :5] > 0) & (ours[:3, :5] < 1)).all()
    assert ours[:3, 4].sum() < ours[:3, 0].sum()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", [boxes, masks])
def test_weights_are_copies_of_images(library, kind):
    """Equal scores abound, within images and between them."""
    images = random_images(5)
    weights = np.random.default_rng(1).multinomial(2 * len(images), np.full(len(images), 1 / len(images)), 6)
    weights[0, [0, 2, 4, 5]] = 0  # few instances left
    ours = average_precision(matched(images, kind), weights.astype(float), ALL)
    for times, values in zip(weights, ours, strict=True):
        copies = [images[i] for i in np.repeat(np.arange(len(images)), times)]
        theirs = precision_of(evaluated(*LIBRARIES[library], copies, kind))
        np.testing.assert_allclose(values, theirs, rtol=0, atol=1e-12)


def test_the_order_of_images_decides_between_equal_scores():
    right = (detections([BOX], [0.5], [1]), TRUTH)
    wrong = (detections([OTHER], [0.5], [1]), instances([], []))
    assert once([right, wrong])[1] == pytest.approx(1)
    assert once([wrong, right])[1] == pytest.approx(0.5)


# closed forms


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (detections([BOX], [0.3], [1]), 1),
        (detections([BOX, OTHER], [0.9, 0.8], [1, 1]), 1),
        (detections([BOX, OTHER], [0.8, 0.9], [1, 1]), 1 / 2),
        (detections([OTHER, OTHER, BOX], [0.9, 0.8, 0.7], [1, 1, 1]), 1 / 3),
        (detections([OTHER], [0.9], [1]), 0),
        (detections([BOX], [0.9], [2]), 0),
        (detections([], [], []), 0),
    ],
)
def test_one_instance(found, expected):
    values = once([(found, TRUTH)])
    assert values[1] == pytest.approx(np.full(10, expected))
    assert np.isnan(np.delete(values, 1, 0)).all()


def test_half_of_the_instances_reach_51_of_101_recalls():
    values = once([(detections([BOX], [0.9], [1]), instances([BOX, OTHER], [1, 1]))])
    assert values[1] == pytest.approx(np.full(10, 51 / 101))


def test_iou_decides_up_to_which_threshold():
    found = detections([[4, 4, 24, 18]], [0.9], [1])  # IoU .7
    assert once([(found, TRUTH)])[1].tolist() == pytest.approx([1] * 5 + [0] * 5)


def test_an_ignored_detection_neither_helps_nor_costs():
    small = [40, 30, 46, 36]
    truth = instances([BOX, small], [1, 1])
    found = detections([small, BOX], [0.9, 0.8], [1, 1])
    assert once([(found, truth)])[1] == pytest.approx(np.ones(10))
    assert np.isnan(once([(found, instances([small], [1]))])).all()


# values


def test_ap_is_the_mean_of_thresholds_and_of_classes_with_a_value():
    images = random_images(2)
    scored = np.arange(CLASSES) != 2
    values = precision_values(matched(images), np.ones((2, len(images))), scored)
    per_class = once(images)
    for name, expected in {"ap": per_class.mean(1), "ap50": per_class[:, 0]}.items():
        assert values.classes[name][1][[0, 1, 3]] == pytest.approx(expected[[0, 1, 3]])
        assert np.isnan(values.classes[name][1][[2, 4]]).all()
        assert values.overall[name] == pytest.approx(np.full(2, expected[[0, 1, 3]].mean()))


def test_a_resample_without_a_class_has_no_value_for_it():
    images = [(detections([BOX], [0.9], [1]), TRUTH), (detections([BOX], [0.9], [1]), instances([OTHER], [3]))]
    weights = np.array([[1, 0], [0, 2], [0, 0]], float)
    values = precision_values(matched(images), weights, ALL)
    assert np.isnan(values.classes["ap"]).tolist() == [
        [True, False, True, True, True],
        [True, True, True, False, True],
        [True] * 5,
    ]
    assert values.overall["ap"] == pytest.approx([1, 0, np.nan], nan_ok=True)


def test_weightings_do_not_touch_each_other():
    images = random_images(4)
    weights = np.random.default_rng(3).integers(0, 3, (5, len(images))).astype(float)
    together = average_precision(matched(images), weights, ALL)
    for row, values in zip(weights, together, strict=True):
        np.testing.assert_array_equal(average_precision(matched(images), row[None], ALL)[0], values)
