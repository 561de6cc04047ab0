from __future__ import annotations

import dataclasses
from itertools import groupby

import numpy as np
import pycocotools.coco
import pytest
import torch
from pycocotools import mask as coco_mask
from pycocotools.cocoeval import COCOeval

from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.instances import rle
from robustbench_seg.tasks.instances.matching import IOU_THRESHOLDS, boxes, masks, match
from tests.tasks.instances.coco_reference import CLASSES, VOID, detections, evaluated, instances, random_images

KINDS = [boxes, masks]
BOX = [4, 4, 24, 24]


def of_one(found, truth, kind=boxes):
    return match(found, truth, CLASSES, kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(4))
def test_matches_are_cocos(kind, seed):
    images = random_images(seed)
    evaluation = evaluated(pycocotools.coco, COCOeval, images, kind)
    assert evaluation.params.iouThrs == pytest.approx(IOU_THRESHOLDS, abs=0)
    ours = [of_one(*image, kind) for image in images]
    compared = np.zeros(4)
    for i, result in enumerate(evaluation.evalImgs):
        label, image = divmod(i, len(images))
        chosen = ours[image]["labels"] == label
        if result is None:
            assert not chosen.any()
            continue
        assert np.array_equal(ours[image]["scores"][chosen], result["dtScores"])
        assert np.array_equal(ours[image]["matched"][:, chosen] > 0, result["dtMatches"] > 0)
        assert np.array_equal(ours[image]["ignored"][:, chosen] > 0, result["dtIgnore"])
        assert ours[image]["truth"][label] == np.sum(result["gtIgnore"] == 0)
        got, ignored = result["dtMatches"] > 0, result["dtIgnore"]
        compared += [np.sum(got & ~ignored), np.sum(got & ignored), np.sum(~got), np.sum(got[0] & ~got[-1])]
    assert (compared > 10).all(), "right, ignored, wrong and lost at a higher threshold all have to occur"


@pytest.mark.parametrize("kind", KINDS)
def test_the_better_overlap_wins_and_a_second_detection_is_wrong(kind):
    truth = instances([BOX, [8, 4, 28, 24]], [0, 0])
    found = detections([[7, 4, 27, 24], [8, 4, 28, 24], BOX], [0.9, 0.8, 0.7], [0, 0, 0])
    assert of_one(found, truth, kind)["matched"][4].tolist() == [1, 0, 1]  # at IoU .7


@pytest.mark.parametrize("kind", KINDS)
def test_of_equal_overlaps_the_later_instance_is_taken(kind):
    truth = instances([[0, 4, 20, 24], [8, 4, 28, 24]], [0, 0])
    found = detections([BOX, [8, 4, 28, 24]], [0.9, 0.8], [0, 0])
    result = evaluated(pycocotools.coco, COCOeval, [(found, truth)], kind).evalImgs[0]
    assert of_one(found, truth, kind)["matched"].tolist() == (result["dtMatches"] > 0).tolist()
    assert result["dtMatches"][0, 1] == 0


def test_thresholds_are_inclusive():
    truth = instances([[0, 0, 20, 20]], [1])
    found = detections([[0, 0, 20, 10]], [0.5], [1])  # IoU exactly .5
    assert of_one(found, truth)["matched"].ravel().tolist() == [1] + [0] * 9


def test_an_ignored_instance_is_taken_once_and_only_where_no_other_is_left():
    small = [4, 4, 11, 11]
    truth = instances([small, [4, 4, 12, 12]], [2, 2])
    assert truth.ignored.tolist() == [True, False]
    found = detections([small] * 3, [0.9, 0.8, 0.7], [2] * 3)
    result = of_one(found, truth)
    assert result["matched"][0].tolist() == [1, 1, 0]
    assert result["ignored"][0].tolist() == [0, 1, 0]
    assert result["truth"].tolist() == [0, 0, 1, 0, 0]


def test_a_void_instance_excuses_a_detection_of_any_class():
    result = of_one(detections([BOX] * 2, [0.9, 0.8], [1, 3]), instances([BOX], [VOID]))
    assert result["matched"].all()
    assert result["ignored"].all()
    assert result["truth"].sum() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_crowd_excuses_every_detection_inside_of_it(kind):
    truth = instances([[0, 0, 60, 40]], [1], [True])
    found = detections([BOX, [30, 10, 46, 30], [40, 30, 64, 48]], [0.9, 0.8, 0.7], [1, 1, 1])
    result = of_one(found, truth, kind)
    assert result["matched"][0].tolist() == result["ignored"][0].tolist() == [1, 1, 0]
    assert result["truth"].sum() == 0
    assert of_one(detections([BOX], [0.9], [2]), truth, kind)["matched"].sum() == 0, "it has a class"


def test_another_class_is_no_match():
    result = of_one(detections([BOX], [0.9], [1]), instances([BOX], [2]))
    assert result["matched"].sum() == result["ignored"].sum() == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("found", [0, 2])
@pytest.mark.parametrize("known", [0, 3])
def test_shapes_and_types(kind, found, known):
    result = of_one(detections([BOX] * found, [0.5] * found, [0] * found), instances([BOX] * known, [1] * known), kind)
    shapes = {
        "scores": (found,),
        "labels": (found,),
        "boxes": (found, 4),
        "matched": (10, found),
        "ignored": (10, found),
        "truth": (CLASSES,),
    }
    assert {key: result[key].shape for key in shapes} == shapes
    assert all(value.dtype == np.float64 for value in result.values())
    assert result["truth"].tolist() == [0, known, 0, 0, 0]


def test_masks_can_be_rebuilt_from_what_is_stored():
    for found, truth in random_images(7):
        result = of_one(found, truth, masks)
        assert np.array_equal(rle.from_store(result), found.masks.numpy())
        assert np.array_equal(result["boxes"], found.boxes.numpy())


@pytest.mark.parametrize("shape", [(0, 3, 4), (1, 1, 1), (5, 7, 4), (3, 2, 9)])
def test_runs_and_encodings_are_of_columns(shape):
    drawn = np.random.default_rng(0).random(shape) < 0.5
    drawn[:1], drawn[-1:] = True, False
    lengths, size = rle.run_lengths(drawn), shape[1:]
    stored = rle.to_store(lengths, size)
    assert np.array_equal(rle.from_store(stored), drawn)
    per_mask = np.split(stored["runs"].astype(int), np.cumsum(stored["run_counts"].astype(int))[:-1])
    for runs, mask, encoded in zip(per_mask, drawn, rle.encode(lengths, size), strict=False):
        pixels = [(value, len(list(run))) for value, run in groupby(mask.T.ravel())]
        assert runs.tolist() == [0] * bool(pixels[0][0]) + [length for _, length in pixels]
        assert encoded == coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))


@pytest.mark.parametrize("seed", range(3))
def test_runs_of_text_and_masks_of_runs_are_pycocotools(seed):
    rng = np.random.default_rng(seed)
    for share in (0.0, 0.02, 0.5, 1.0):
        mask = np.asfortranarray(np.kron(rng.random((20, 30)) < share, np.ones((7, 11))), np.uint8)
        runs = rle.from_text(coco_mask.encode(mask)["counts"].decode())
        assert runs == rle.run_lengths(mask[None] > 0)[0].tolist()
        assert np.array_equal(rle.to_mask(runs, mask.shape), mask)


@pytest.mark.parametrize(("text", "part"), [("0\n", "no digit"), ("¿", "no digit"), ("1Y", "cut off")])
def test_a_text_without_runs(text, part):
    with pytest.raises(ValueError, match=part):
        rle.from_text(text)


@pytest.mark.parametrize("runs", [[], [11], [13], [3, -1, 10], [4, 8.0], [True, 11]])
def test_runs_that_do_not_fill_a_mask(runs):
    with pytest.raises(ValueError, match="run"):
        rle.to_mask(runs, (3, 4))


def test_what_cannot_be_matched_is_said():
    found, truth = random_images(0)[0]
    with pytest.raises(UsageError, match="no masks"):
        of_one(dataclasses.replace(found, masks=None), truth, masks)
    with pytest.raises(UsageError, match="masks of"):
        of_one(dataclasses.replace(found, masks=found.masks[:, 1:]), truth, masks)
    with pytest.raises(UsageError, match="falling score"):
        of_one(dataclasses.replace(found, scores=found.scores.flip(0)), truth)
    with pytest.raises(UsageError, match="falling score"):
        of_one(dataclasses.replace(found, scores=torch.full_like(found.scores, torch.nan)), truth)
    with pytest.raises(UsageError, match="101 in one image"):
        of_one(detections([BOX] * 101, [0.5] * 101, [0] * 101), truth)
