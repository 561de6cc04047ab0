from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.results.records import pack, unpack
from robustbench_seg.tasks.base import RawLoss
from robustbench_seg.tasks.detection import Detection
from robustbench_seg.tasks.instances.losses import class_losses
from tests.tasks.made_instances import CLASSES, VOID, Found, Known, labelled, predicted

TASK = Detection()
TALL, WIDE, SQUARE, SMALL = (8, 8, 24, 56), (32, 16, 88, 44), (8, 8, 48, 48), (60, 4, 66, 10)
LABELS = [[Known(TALL, 0), Known(WIDE, 1)], [Known(SQUARE, 0)], []]
RIGHT = [[Found(TALL, 0), Found(WIDE, 1)], [Found(SQUARE, 0)], []]


def statistics(found, known=LABELS):
    return TASK.statistics({"instances": predicted(found)}, {"instances": labelled(known)}, CLASSES)


def evaluate(found, known=LABELS, weights=None, scored=None):
    made = statistics(found, known)
    weights = np.ones((1, len(made))) if weights is None else np.asarray(weights, np.float64)
    return TASK.values(made, weights, TASK.scored(made) if scored is None else scored)


def test_what_is_all_right_is_one():
    values = evaluate(RIGHT)
    for name in ("ap", "ap50"):
        assert values.overall[name] == pytest.approx([1])
        assert values.classes[name] == pytest.approx(np.array([[1, 1, np.nan, np.nan]]), nan_ok=True)
    assert values.overall["reg_loss"] == pytest.approx([0], abs=1e-5)


def test_nothing_found_is_zero_and_has_no_shape():
    values = evaluate([[], [], []])
    assert values.overall["ap"] == pytest.approx([0])
    assert np.isnan(values.overall["aspect_ratio"]).all()


def test_a_swap_of_classes():
    swapped = evaluate([[Found(TALL, 1), Found(WIDE, 0)], [Found(SQUARE, 1)], []])
    assert swapped.overall["ap50"] == pytest.approx([0])
    assert swapped.classes["aspect_ratio"][0, :2] == pytest.approx([2, (16 / 48 + 1) / 2])
    right = evaluate(RIGHT)
    assert right.classes["aspect_ratio"][0, :2] == pytest.approx([(16 / 48 + 1) / 2, 2])
    assert (swapped.classes["cls_loss"] > right.classes["cls_loss"])[0, :2].all()
    np.testing.assert_array_equal(swapped.classes["reg_loss"], right.classes["reg_loss"])


def test_a_box_of_the_right_class_that_covers_the_middle_half():
    """GIoU of a box within the other is the IoU."""
    values = evaluate([[Found(TALL, 0), Found((46, 16, 74, 44), 1)], [Found(SQUARE, 0)], []])
    assert values.classes["reg_loss"][0, :2] == pytest.approx([0, 0.5], abs=1e-5)
    assert values.classes["ap"][0, :2] == pytest.approx([1, 0.1])
    assert values.classes["ap50"][0, :2] == pytest.approx([1, 1])


def test_losses_are_pooled_over_the_locations_of_all_images():
    found = [[Found(TALL, 0, 0.5), Found((46, 16, 74, 44), 1)], [Found((8, 8, 40, 48), 2)], []]
    values = evaluate(found, weights=[[1, 1, 1], [3, 1, 0]])
    for name, table in class_losses(predicted(found), labelled(LABELS), CLASSES).items():
        table = table.double().numpy()
        for row, times in enumerate([[1, 1, 1], [3, 1, 0]]):
            total = sum(t * image for t, image in zip(times, table, strict=True))
            expected = total[:2, 0] / total[:2, 1]
            assert values.classes[f"{name}_loss"][row, :2] == pytest.approx(expected)
            assert values.overall[f"{name}_loss"][row] == pytest.approx(total[:, 0].sum() / total[:, 1].sum())
        means = [image[0, 0] / image[0, 1] for image in table[:2]]
        assert values.classes[f"{name}_loss"][0, 0] != pytest.approx(np.mean(means), rel=1e-3)


def test_the_shape_is_of_boxes_that_are_sure_enough_whatever_is_there():
    found = [[Found(TALL, 0, 0.35), Found(WIDE, 0, 0.29), Found((64, 48, 72, 64), 3)], [Found(WIDE, 0)], []]
    values = evaluate(found, scored=np.ones(CLASSES, bool))
    assert values.classes["aspect_ratio"] == pytest.approx(
        np.array([[(1 / 3 + 2) / 2, np.nan, np.nan, 0.5]]), nan_ok=True
    )
    assert values.overall["aspect_ratio"] == pytest.approx([(1 / 3 + 2 + 0.5) / 3])


def test_a_box_without_an_area_has_no_shape():
    made = statistics([[Found(TALL, 0), Found(WIDE, 1)], [Found(SQUARE, 0)], []])
    made[0]["boxes"][:, 3] = made[0]["boxes"][:, 1]
    values = TASK.values(made, np.ones((1, 3)), np.ones(CLASSES, bool))
    assert values.overall["aspect_ratio"] == pytest.approx([1])


def test_weights_equal_repeating_images():
    found = [[Found(TALL, 0, 0.5), Found(WIDE, 1)], [Found((8, 8, 40, 48), 0), Found(WIDE, 1, 0.5)], [Found(TALL, 0)]]
    weights = np.array([[1, 1, 1], [2, 0, 3], [0, 4, 0]])
    values = evaluate(found, weights=weights)
    for row, times in enumerate(weights):
        pick = np.repeat(np.arange(3), times)
        again = evaluate([found[i] for i in pick], [LABELS[i] for i in pick], scored=np.arange(CLASSES) < 2)
        for name in values.overall:
            assert values.overall[name][row] == pytest.approx(again.overall[name][0])
            assert values.classes[name][row] == pytest.approx(again.classes[name][0], nan_ok=True)


def test_values_are_the_same_from_the_store():
    made = statistics(RIGHT)
    stored = [unpack(pack(image)) for image in made]
    for weights in (np.ones((1, 3)), np.zeros((1, 3))):
        one, other = (TASK.values(s, weights, TASK.scored(s)) for s in (made, stored))
        for name in one.overall:
            np.testing.assert_array_equal(one.overall[name], other.overall[name])
            np.testing.assert_array_equal(one.classes[name], other.classes[name])
    assert all(np.isnan(value).all() for value in (*one.overall.values(), *one.classes.values())), "no image, no value"


def test_scored_are_the_classes_of_instances_that_count():
    known = [[Known(TALL, 0), Known(SMALL, 2), Known(WIDE, VOID)], [Known(SQUARE, 1)], []]
    for found in (RIGHT, [[Found(TALL, 2), Found(WIDE, 3)], [], []]):
        assert TASK.scored(statistics(found, known)).tolist() == [True, True, False, False]


def test_classes_that_are_not_scored_have_no_value():
    values = evaluate(RIGHT, scored=np.array([False, True, True, True]))
    for name, value in values.classes.items():
        assert np.isnan(value[0]).tolist() == [True, False, True, True], name


def test_an_image_with_nothing_to_find_is_labelled_too():
    known = [[Known(TALL, 0), Known(SMALL, 1)], [Known(SMALL, 0)], [Known(TALL, VOID)], []]
    assert TASK.valid(labelled(known)).tolist() == [True, True, True, True]
    assert TASK.loss(predicted([[Found(TALL, 0)]] * 4), labelled(known))[3] > 0


def test_the_loss_is_the_sum_of_the_raw_losses():
    dense, truth = predicted([[Found(TALL, 1), Found((40, 16, 88, 40), 1)], [Found(TALL, 0)], []]), labelled(LABELS)
    losses = TASK.losses(dense, truth)
    assert list(losses) == [raw.name for raw in TASK.raw_losses] == ["cls", "reg", "centerness"]
    assert (torch.stack(list(losses.values()))[:, :2] > 0).all()
    torch.testing.assert_close(TASK.loss(dense, truth), losses["cls"] + losses["reg"] + losses["centerness"])


def test_there_is_no_loss_to_another_output():
    with pytest.raises(UsageError, match="detection: no loss to another output"):
        TASK.distance(predicted(RIGHT), predicted(RIGHT))


def test_metrics_declare_direction_unit_and_pooling():
    assert {metric.name: metric.higher_is_better for metric in TASK.metrics} == {
        "ap": True,
        "ap50": True,
        "cls_loss": False,
        "reg_loss": False,
        "aspect_ratio": None,
    }
    assert all(metric.pooling for metric in TASK.metrics)
    assert (TASK.curve, TASK.group, TASK.key) == ("ap", "semantic", "instances")
    assert TASK.raw == (
        RawLoss("cls", "box classification", "semantic"),
        RawLoss("reg", "box regression", "semantic"),
        RawLoss("centerness", "box centerness", None),
    )
