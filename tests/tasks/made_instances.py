"""Dense predictions made by hand, one level of stride 8 on images of 64×96."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.locations import Level, Locations
from robustbench_seg.tasks.instances.masks import SIDE, MaskBasis
from robustbench_seg.tasks.instances.truth import InstanceLabels, Instances

HEIGHT, WIDTH, STRIDE, CLASSES = 64, 96, 8, 4
VOID = 255
Box = tuple[int, int, int, int]
_Y, _X = torch.meshgrid(torch.arange(HEIGHT) + 0.5, torch.arange(WIDTH) + 0.5, indexing="ij")


@dataclass(frozen=True)
class Found:
    """A prediction: every location inside of `box` predicts it and `depth`, the one at its centre has the `score`."""

    box: Box
    label: int
    score: float = 0.9
    depth: float = 10.0


@dataclass(frozen=True)
class Known:
    """A labelled instance: its mask fills the box, or is the ellipse in it."""

    box: Box
    label: int
    depth: float = 10.0
    round: bool = False

    def mask(self) -> torch.Tensor:
        left, top, right, bottom = self.box
        x, y = (2 * _X - left - right) / (right - left), (2 * _Y - top - bottom) / (bottom - top)
        return x.square() + y.square() < 1 if self.round else torch.maximum(x.abs(), y.abs()) < 1


def predicted(images: Sequence[Sequence[Found]]) -> DenseInstances:
    """Predictions whose masks fill their boxes."""
    points = torch.stack([_X[::STRIDE, ::STRIDE].flatten(), _Y[::STRIDE, ::STRIDE].flatten()], 1) + (STRIDE - 1) / 2
    count = len(points)
    locations = Locations.of([Level(HEIGHT // STRIDE, WIDTH // STRIDE, STRIDE, 0.0, torch.inf)], "cpu")
    assert torch.equal(locations.points, points)
    classes = torch.full((len(images), count, CLASSES), -20.0)
    boxes = torch.cat([points - 4, points + 4], 1).repeat(len(images), 1, 1)
    depth = torch.full((len(images), count), 50.0)
    for i, found in enumerate(images):
        for one in found:
            box = torch.tensor(one.box).float()
            inside = ((points > box[:2]) & (points < box[2:])).all(1)
            boxes[i, inside], depth[i, inside] = box, one.depth
            centre = (points - (box[:2] + box[2:]) / 2).square().sum(1).argmin()
            classes[i, centre, one.label] = torch.logit(torch.tensor(one.score**2))
    # Score is the root of class probability times centerness.
    basis = MaskBasis(torch.ones(SIDE * SIDE), torch.zeros(3, SIDE * SIDE))
    centerness, codes = torch.full((len(images), count), 20.0), torch.zeros(len(images), count, 3)
    return DenseInstances(classes, boxes, centerness, locations, (HEIGHT, WIDTH), codes, basis, depth)


def labelled(images: Sequence[Sequence[Known]]) -> InstanceLabels:
    """The labels of a batch."""
    return InstanceLabels(
        tuple(
            Instances(
                torch.tensor([one.box for one in known]).float().view(-1, 4),
                torch.tensor([one.label for one in known]).long(),
                torch.stack([one.mask() for one in known]) if known else torch.zeros((0, HEIGHT, WIDTH)).bool(),
                torch.tensor([one.depth for one in known]).float(),
                torch.zeros(len(known)).bool(),
                smallest=(8, 24),
            )
            for known in images
        )
    )
