"""The vehicles that move with the camera, by their pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.dataset import SIZE, Street
from robustbench_seg.street.render import render

LEAST = 40
"""Pixels of a vehicle that is looked at, in frames of the default size; fewer, and it is far away or hidden."""


@dataclass(frozen=True)
class Vehicle:
    """A vehicle in the frame at an index of a data set: the `number` of the object, its pixels `mask` (H,W) bool."""

    index: int
    number: int
    mask: npt.NDArray[np.bool_]


def vehicles(data: Street, index: int) -> Iterator[Vehicle]:
    """Those of a frame that keep their distance from the camera, seen in at least `LEAST` pixels."""
    scene = data.scene(index)
    if not scene.convoy:
        return
    seen = render(scene, 0, data.size).item
    least = LEAST * seen.size / (SIZE[0] * SIZE[1])
    for number in scene.convoy:
        mask = seen == number
        if mask.sum() >= least:
            yield Vehicle(index, number, mask)
