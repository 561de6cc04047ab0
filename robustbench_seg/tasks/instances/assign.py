"""Which instance each location has to predict (FCOS, Tian 2019): centre sampling, a level by size, the smallest box."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from robustbench_seg.tasks.instances.dense import Locations
from robustbench_seg.tasks.instances.truth import InstanceLabels, Instances

CENTRE_STRIDES = 1.5
"""How far from a box's centre locations are positive."""
BACKGROUND, IGNORED = -1, -2


@dataclass(frozen=True, eq=False)
class Positives:
    """The locations of a batch with an instance to predict, P of them.

    `image` (P,), `location` (P,); what they have to predict: `boxes` (P,4), `labels` (P,), `depth` (P,), and `instance`
    (P,), the index within its image. `ignored` (N,L) are locations that must not count as background.
    """

    image: Tensor
    location: Tensor
    instance: Tensor
    boxes: Tensor
    labels: Tensor
    depth: Tensor
    ignored: Tensor


def assign(locations: Locations, truth: InstanceLabels) -> Positives:
    """The positives of a batch."""
    instances = torch.stack([_assign(locations, image) for image in truth])
    image, location = (instances >= 0).nonzero(as_tuple=True)
    instance = instances[image, location]
    offsets = torch.tensor([0, *(len(image_truth) for image_truth in truth)], device=instances.device).cumsum(0)[:-1]
    flat = offsets[image] + instance
    return Positives(
        image,
        location,
        instance,
        torch.cat([image_truth.boxes for image_truth in truth])[flat],
        torch.cat([image_truth.labels for image_truth in truth])[flat],
        torch.cat([image_truth.depth for image_truth in truth])[flat],
        instances == IGNORED,
    )


def _assign(locations: Locations, truth: Instances) -> Tensor:
    """The instance (L,) of every location, or `BACKGROUND`, or `IGNORED` inside of an ignored box."""
    points = locations.points
    if not len(truth):
        return points.new_full((len(points),), BACKGROUND, dtype=torch.int64)
    low, high = points[:, None] - truth.boxes[None, :, :2], truth.boxes[None, :, 2:] - points[:, None]
    sides = torch.cat([low, high], 2)
    inside = sides.amin(2) > 0
    centre = (truth.boxes[:, :2] + truth.boxes[:, 2:]) / 2
    near = (points[:, None] - centre[None]).abs().amax(2) < CENTRE_STRIDES * locations.strides[:, None]
    farthest = sides.amax(2)
    fits = (farthest >= locations.ranges[:, :1]) & (farthest < locations.ranges[:, 1:])
    area = (truth.boxes[:, 2:] - truth.boxes[:, :2]).prod(1).expand(len(points), -1)
    candidates = inside & near & fits & ~truth.ignored
    size, instance = area.masked_fill(~candidates, torch.inf).min(1)
    ignored = (inside & truth.ignored).any(1)
    nothing = torch.where(ignored, IGNORED, BACKGROUND)
    return torch.where(size.isfinite(), instance, nothing)
