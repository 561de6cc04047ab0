"""Which instance each location has to predict (FCOS, Tian 2019): centre sampling, a level by size, the smallest box."""

from __future__ import annotations

import torch
from torch import Tensor

from robustbench_seg.tasks.instances.locations import Locations
from robustbench_seg.tasks.instances.positives import Positives
from robustbench_seg.tasks.instances.truth import InstanceLabels, Instances

CENTRE_STRIDES = 1.5
"""How far from a box's centre locations are positive."""
BACKGROUND, IGNORED = -1, -2


def assign(locations: Locations, truth: InstanceLabels) -> Positives:
    """The positives of a batch, on the device of the locations; found on the host, once for equal locations."""
    if locations.levels not in truth.assigned:
        # Whoever asks first may be in inference mode, whose tensors cannot serve gradients later.
        with torch.inference_mode(False), torch.no_grad():
            found = _positives(Locations.of(locations.levels, "cpu"), truth.host)
            truth.assigned[locations.levels] = found.to(locations.points.device)
    return truth.assigned[locations.levels]


def _positives(locations: Locations, truth: InstanceLabels) -> Positives:
    instances = torch.stack([_assign(locations, image) for image in truth])
    image, location = (instances >= 0).nonzero(as_tuple=True)
    instance = instances[image, location]
    place = torch.tensor([0, *map(len, truth)]).cumsum(0)[image] + instance
    boxes, labels, depth = (
        torch.cat([getattr(image_truth, name) for image_truth in truth])[place] for name in ("boxes", "labels", "depth")
    )
    points = locations.points[location]
    low, high = points - boxes[:, :2], boxes[:, 2:] - points
    ratios = torch.minimum(low, high) / torch.maximum(low, high).clamp(min=1e-6)
    return Positives(
        image,
        location,
        instance,
        place,
        boxes,
        labels,
        depth,
        centerness=ratios.clamp(min=0).prod(1).sqrt(),
        counts=torch.bincount(image, minlength=len(truth)),
        ignored=instances == IGNORED,
        has_depth=bool((depth > 0).any()),
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
