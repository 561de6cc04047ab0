"""DenseMTL 2023's way: labelled images and frames both pass through every branch of a network, whatever it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from robustbench_seg.models.blocks.deephead import DEEP
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.training.video.network import Inverses, JointNet


class SharedNet(JointNet):
    """Any network with depth among its outputs; depth learns at all scales that it is predicted at.

    Nothing weighs gradients: those of both losses reach every part that the outputs depend on.
    """

    def predicted(self, images: Tensor, frames: Tensor) -> tuple[dict[str, Any], Inverses]:
        """All outputs of the images, intermediate ones too, and the inverses of the frames' depths."""
        outputs: dict[str, Any] = self.network(torch.cat([images, frames]))
        count = len(images)
        return rows(outputs, slice(count)), inverses(rows(depths(outputs), slice(count, None)))


def depths(outputs: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """The depth (N,h,w), in metres or to scale, of outputs in training: the final one and those under DEEP."""
    levels = (level[Depth.key] for level in outputs.get(DEEP, ()) if Depth.key in level)
    return (outputs[Depth.key], *levels)


def inverses(metres: tuple[Tensor, ...]) -> Inverses:
    """Inverse depths, fine to coarse; of equal ones the first stays first."""
    fine_first = sorted(metres, key=lambda depth: -depth.shape[-2] * depth.shape[-1])
    return tuple(depth.reciprocal().unsqueeze(1) for depth in fine_first)


def rows(outputs: Any, chosen: slice) -> Any:
    """Some images of outputs, alone or in nested mappings and tuples; each knows `[slice]`, as tensors do."""
    if isinstance(outputs, Mapping):
        return {key: rows(value, chosen) for key, value in outputs.items()}
    return tuple(rows(value, chosen) for value in outputs) if isinstance(outputs, tuple) else outputs[chosen]
