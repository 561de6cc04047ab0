"""Made-up detections with everything that matching has to mind, and what COCO's own evaluators make of them."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import torch
from pycocotools import mask as coco_mask

from robustbench_seg.tasks.instances import matching
from robustbench_seg.tasks.instances.detections import Detections
from robustbench_seg.tasks.instances.truth import Instances

HEIGHT, WIDTH, CLASSES, VOID = 48, 64, 5, 255
IOU_TYPES = {matching.boxes: "bbox", matching.masks: "segm"}
Image = tuple[Detections, Instances]


def ellipses(boxes: np.ndarray) -> np.ndarray:
    """Masks (K,H,W) that fill boxes (K,4) as ellipses do."""
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    left, top, right, bottom = boxes.T[:, :, None, None]
    return ((2 * x - left - right) / (right - left)) ** 2 + ((2 * y - top - bottom) / (bottom - top)) ** 2 < 1


def instances(boxes: np.ndarray, labels: np.ndarray, crowd: np.ndarray | None = None) -> Instances:
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    parts = (boxes, np.asarray(labels, np.int64), ellipses(boxes), np.ones(len(boxes), np.float32))
    parts = (*parts, np.zeros(len(boxes), bool) if crowd is None else np.asarray(crowd))
    return Instances(*map(torch.from_numpy, parts), smallest=(8, 24))


def detections(boxes: np.ndarray, scores: np.ndarray, labels: np.ndarray) -> Detections:
    """The same by falling score; equal scores stay in order."""
    boxes, scores = np.asarray(boxes, np.float32).reshape(-1, 4), np.asarray(scores, np.float32)
    order = np.argsort(-scores, kind="stable")
    parts = (boxes, scores, np.asarray(labels, np.int64), ellipses(boxes))
    return Detections(*(torch.from_numpy(part[order]) for part in parts))


def random_image(rng: np.random.Generator, known: int, found: int) -> Image:
    """Instances and detections of them, off by a little, some twice, of a wrong class or of nothing.

    Scores have few values, so that many are equal; some instances are too small to count, some void, some crowds.
    """
    corner = rng.uniform(0, (WIDTH - 30, HEIGHT - 24), (known, 2))
    boxes = np.round(np.concatenate([corner, corner + rng.uniform(4, 20, (known, 2))], 1))
    # The last class is never known, the one before never found.
    labels = np.where(rng.random(known) < 0.15, VOID, rng.integers(0, CLASSES - 1, known))
    near = rng.integers(0, known, found) if known else np.zeros(0, np.int64)
    wanted = boxes[near] + rng.integers(-1, 2, (len(near), 4))
    guess = rng.choice([0, 1, 2, CLASSES - 1], len(near))
    kept = np.where((rng.random(len(near)) < 0.9) & (labels[near] < CLASSES - 2), labels[near], guess)
    stray = np.array([[1, 1, 12, 9], [30, 20, 50, 41]])
    wanted, kept = np.concatenate([wanted, stray]), np.concatenate([kept, [0, 1]])
    scores = np.round(rng.uniform(0.1, 1, len(kept)), 1)
    return detections(wanted, scores, kept), instances(boxes, labels, rng.random(known) < 0.2)


def random_images(seed: int) -> list[Image]:
    """Among them images without instances, and without detections."""
    rng = np.random.default_rng(seed)
    made = [random_image(rng, known, found) for known, found in [(9, 20), (0, 0), (14, 40), (1, 3), (6, 12), (11, 30)]]
    nothing = detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0))
    return [*made, (nothing, made[0][1]), (nothing, instances(np.zeros((0, 4)), np.zeros(0)))]


def evaluated(coco: ModuleType, evaluator: type, images: list[Image], kind: matching.Kind) -> object:
    """COCO's evaluation of these images, done and accumulated, by a library's `COCO` and `COCOeval`.

    Ignored instances but crowds have an area out of range; those of void class are there in every category.
    """
    known, found = [], []
    for image, (seen, truth) in enumerate(images, start=1):
        for i, (label, ignored) in enumerate(zip(truth.labels.tolist(), truth.ignored.tolist(), strict=True)):
            for category in range(CLASSES) if label == VOID else [label]:
                crowd = int(truth.crowd[i])
                area = {"area": 1e9 if ignored and not crowd else 1.0, "iscrowd": crowd}
                known.append(annotation(len(known) + 1, image, category, truth.boxes[i], truth.masks[i]) | area)
        for d, (label, score) in enumerate(zip(seen.labels.tolist(), seen.scores.tolist(), strict=True)):
            more = {"area": 1.0, "iscrowd": 0, "score": score}
            found.append(annotation(len(found) + 1, image, label, seen.boxes[d], seen.masks[d]) | more)
    sides = []
    for made in (known, found):
        side = coco.COCO()
        side.dataset = {
            "images": [{"id": i + 1, "height": HEIGHT, "width": WIDTH} for i in range(len(images))],
            "categories": [{"id": label, "name": str(label)} for label in range(CLASSES)],
            "annotations": made,
        }
        side.createIndex()
        sides.append(side)
    evaluation = evaluator(*sides, IOU_TYPES[kind])
    evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e6]], ["all"]
    evaluation.params.maxDets = [100]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def annotation(number: int, image: int, category: int, box: torch.Tensor, mask: torch.Tensor) -> dict[str, object]:
    left, top, right, bottom = box.double().tolist()
    return {
        "id": number,
        "image_id": image,
        "category_id": category,
        "bbox": [left, top, right - left, bottom - top],
        "segmentation": coco_mask.encode(np.asfortranarray(mask.numpy().astype(np.uint8))),
    }


def precision_of(evaluation: object) -> np.ndarray:
    """AP (C,T) of an evaluation, NaN where it has -1."""
    precision = np.asarray(evaluation.eval["precision"])[..., 0, -1].mean(1).T
    return np.where(precision < 0, np.nan, precision)
