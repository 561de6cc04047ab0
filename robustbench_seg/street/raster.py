"""What every ray of a grid meets first: facets and ellipsoids, each tried only inside its bounds.

A ray is a point (x, y) of a grid. Both projections used (the camera's and the sun's) make a facet's nearness an
affine function of (x, y), and so the tests of its edges, which makes casting exact and cheap. Nearness is 1/z-depth for
the camera and the height towards the sun for the shadow map; the largest wins.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Float32 = npt.NDArray[np.float32]
Int = npt.NDArray[np.int64]

_SMALL = 500
"""Bounds with at most so many samples are tried all together rather than one by one."""
_SLACK = np.float32(-2e-6)
"""Rounding must not open a gap between facets that share an edge."""


@dataclass(frozen=True)
class Shapes:
    """N shapes as a projection sees them: coefficients, bounds (N,4) in grid indices (x0, y0, x1, y1), ids (N,).

    `meet` gives the nearness at (x, y) from the coefficients of a shape: `facet` or `ball`.
    """

    coefficients: Float32
    bounds: Int
    ids: Int
    meet: Callable[[Float32, Float32, Any], Float32]


@dataclass(frozen=True)
class Grid:
    """The rays, at `x` (w,) and `y` (h,), and what they met: `near` (h,w) and `ids` (h,w) int32."""

    x: Float32
    y: Float32
    near: Float32
    ids: npt.NDArray[np.int32]

    def cast(self, shapes: Shapes) -> None:
        """Meet all shapes."""
        width, height = (shapes.bounds[:, 2:] - shapes.bounds[:, :2]).T
        visible = (width > 0) & (height > 0)
        small = visible & (width * height <= _SMALL)
        self._cast_together(shapes, np.flatnonzero(small), width, height)
        for i in np.flatnonzero(visible & ~small).tolist():
            self._cast_one(shapes, i)

    def _cast_one(self, shapes: Shapes, i: int) -> None:
        x0, y0, x1, y1 = shapes.bounds[i].tolist()
        window = np.s_[y0:y1, x0:x1]
        near = shapes.meet(self.x[None, x0:x1], self.y[y0:y1, None], shapes.coefficients[i].tolist())
        wins = near > self.near[window]
        np.copyto(self.near[window], near, where=wins)
        np.copyto(self.ids[window], shapes.ids[i], where=wins)

    def _cast_together(self, shapes: Shapes, chosen: Int, width: Int, height: Int) -> None:
        """All samples of all bounds in one list."""
        if not len(chosen):
            return
        counts = (width * height)[chosen]
        which = np.repeat(np.arange(len(chosen)), counts)
        within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        row, column = np.divmod(within, width[chosen][which])
        row += shapes.bounds[chosen, 1][which]
        column += shapes.bounds[chosen, 0][which]
        coefficients = np.ascontiguousarray(np.moveaxis(shapes.coefficients[chosen], 0, -1))
        near = shapes.meet(self.x[column], self.y[row], coefficients[..., which])
        at = row * len(self.x) + column
        flat, ids = self.near.reshape(-1), self.ids.reshape(-1)
        better = np.flatnonzero(near > flat[at])
        at, near = at[better], near[better]
        np.maximum.at(flat, at, near)
        wins = near == flat[at]
        ids[at[wins]] = shapes.ids[chosen][which[better[wins]]]


def facet(x: Float32, y: Float32, coefficients: Any) -> Float32:
    """Nearness of a facet, -inf beside it: its own (a, b, c), then those of its edges, each a*x + b*y + c."""
    a, b, c = coefficients[0]
    near: Float32 = a * x + (b * y + c)
    for a, b, c in coefficients[1:]:
        near[a * x + (b * y + c) < _SLACK] = -np.inf
    return near


def ball(x: Float32, y: Float32, k: Any) -> Float32:
    """Nearness of an ellipsoid: `B + sqrt(D)` over the last coefficient, with B affine and D quadratic; else -inf.

    The coefficients are B's three, D's six (xx, xy, yy, x, y, 1) and the divisor.
    """
    inside: Float32 = (k[3] * x + k[6]) * x + ((k[5] * y + k[7]) * y + k[8]) + (k[4] * x) * y
    outside = inside < 0
    np.maximum(inside, 0, out=inside)
    np.sqrt(inside, out=inside)
    inside += k[0] * x + (k[1] * y + k[2])
    inside /= k[9]
    inside[outside] = -np.inf
    return inside
