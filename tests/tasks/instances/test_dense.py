from __future__ import annotations

import dataclasses

import torch

from robustbench_seg.classes import CITYSCAPES19, align
from robustbench_seg.tasks.detection import Detection
from robustbench_seg.tasks.instance import Instance
from robustbench_seg.tasks.instances import detections
from robustbench_seg.tasks.instances.dense import TOP_LOCATIONS
from robustbench_seg.transfer import fetch
from tests.tasks.made_instances import CLASSES, HEIGHT, WIDTH, Found, Known, labelled, predicted
from tests.waits import waits

BOX, OTHER = (8, 8, 40, 40), (48, 16, 88, 56)


def test_what_was_put_in_is_found_by_falling_score():
    (found,) = predicted([[Found(BOX, 1, 0.6), Found(OTHER, 2, 0.9)]]).detections()
    assert found.labels.tolist() == [2, 1]
    torch.testing.assert_close(found.scores, torch.tensor([0.9, 0.6]), atol=1e-4, rtol=0)
    assert found.boxes.tolist() == [list(map(float, OTHER)), list(map(float, BOX))]
    assert found.masks is not None
    expected = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    expected[8:40, 8:40] = True
    assert torch.equal(found.masks[1], expected)


def test_the_floor_is_on_the_class_probability():
    # The made scores are roots of class probability times a centerness of 1.
    (found,) = predicted([[Found(BOX, 1, 0.05**0.5 - 0.01), Found(OTHER, 2, 0.05**0.5 + 0.01)]]).detections()
    assert found.labels.tolist() == [2]


def test_suppression_is_within_a_class():
    near = (9, 8, 41, 40)
    dense = predicted([[Found(BOX, 1, 0.9)]])
    free = next(i for i in range(len(dense.locations)) if dense.classes[0, i].max() < -10)
    classes, boxes = dense.classes.clone(), dense.boxes.clone()
    boxes[0, free] = torch.tensor(near).float()
    for label, count in ((1, 1), (2, 2)):
        classes[0, free] = -20
        classes[0, free, label] = 1.0
        (found,) = dataclasses.replace(dense, classes=classes, boxes=boxes).detections()
        assert len(found.labels) == count


def test_boxes_end_at_the_image_and_nothing_is_found_in_nothing():
    dense = predicted([[Found(BOX, 1)], []])
    (found, empty) = dataclasses.replace(dense, boxes=dense.boxes + torch.tensor([-20.0, 0, 60, 60])).detections()
    assert found.boxes[0].tolist() == [0.0, 8.0, 96.0, 64.0]
    assert len(empty.scores) == 0
    assert empty.masks.shape == (0, HEIGHT, WIDTH)


def test_not_finite_predictions_are_seen_image_by_image():
    dense = predicted([[Found(BOX, 1)], [Found(BOX, 1)]])
    depth = dense.depth.clone()
    depth[1, 3] = torch.nan
    assert dataclasses.replace(dense, depth=depth).finite().tolist() == [True, False]


def test_classes_merge_by_maximum_and_half_precision_comes_back():
    dense = predicted([[Found(BOX, 1, 0.9), Found(OTHER, 2, 0.8)]])
    merged = dense.merged([(0, 1), (2, 3)])
    assert merged.classes.shape[-1] == 2
    assert merged.detections()[0].labels.tolist() == [0, 1]
    assert dataclasses.replace(dense, classes=dense.classes.half()).float().classes.dtype == torch.float32
    assert align(CITYSCAPES19, CITYSCAPES19).keeps(19)


def test_candidates_have_a_size_that_does_not_depend_on_predictions():
    shapes = {predicted([found, found]).candidates.boxes.shape for found in ([], [Found(BOX, 1)])}
    assert shapes == {(2, min(TOP_LOCATIONS, len(predicted([[]]).locations) * CLASSES), 4)}


def test_tasks_share_what_is_found(monkeypatch):
    """Once for all of them, although each brings its own statistics to the host."""
    calls = []
    real = detections.batched_nms
    monkeypatch.setattr(detections, "batched_nms", lambda *given: calls.append(given) or real(*given))
    outputs, labels = {"instances": predicted([[Found(BOX, 1)]])}, {"instances": labelled([[Known(BOX, 1)]])}
    with waits():  # as from a GPU: copies
        raw = {task: task.raw_statistics(outputs, labels, CLASSES) for task in (Detection(), Instance())}
        arrived = fetch(raw)
    for task, statistics in arrived.items():
        (image,) = task.image_statistics(statistics, labels, CLASSES)
        assert image["matched"].all()
    assert len(calls) == 1
