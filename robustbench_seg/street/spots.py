"""Samples of one material, as textures see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from robustbench_seg.street.noise import Values, cell_hash, fractal
from robustbench_seg.street.scene import Colour

Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Spots:
    """N samples of one material.

    `u`, `v` are texture coordinates (m) fixed to the object, `du`, `dv` the sample's footprint along them, `width`,
    `height` the surface's extent, `colour` (3,N), `p`, `q` the look's numbers, `salt` tells objects apart, `side` is
    the side of a box (0 back, 1 right, 2 front, 3 left, 4 top, 5 bottom).
    """

    u: Values
    v: Values
    du: Values
    dv: Values
    width: Values
    height: Values
    colour: Values
    p: Values
    q: Values
    salt: Int
    side: Int

    def noise(self, tile: float, strength: float) -> Values:
        """A factor about 1 with the deviation `strength`, in a pattern `tile` m wide; every object has its own."""
        shift = (self.salt * 37 % 101).astype(np.float32)
        pattern = fractal(self.u + shift, self.v + shift * np.float32(0.61), np.sqrt(self.du * self.dv), tile)
        return 1 + np.float32(strength) * pattern

    def shaded(self, factor: Values) -> Values:
        """The look's colour times a factor (N,)."""
        result: Values = self.colour * factor
        return result

    def across(self, parts: Values | float = 1.0) -> tuple[Values, Values]:
        """The place and footprint along u, in units of the width over `parts`."""
        unit = np.reciprocal(self.width) * parts
        return self.u * unit, self.du * unit

    def up(self, parts: Values | float = 1.0) -> tuple[Values, Values]:
        """The place and footprint along v, in units of the height over `parts`."""
        unit = np.reciprocal(np.maximum(self.height, np.float32(0.05))) * parts
        return self.v * unit, self.dv * unit

    def dice(self, i: Values | float, j: Values | float = 0.0) -> Values:
        """A number in [0,1) for every cell that (i, j) fall into; every object has its own."""
        cells = [np.floor(np.broadcast_to(k, self.u.shape)).astype(np.int64) for k in (i, j)]
        return cell_hash(cells[0], cells[1], self.salt)


def count_of(extent: Values, pitch: Values) -> Values:
    """How many whole repetitions of about `pitch` fit into an extent, at least one."""
    result: Values = np.maximum(np.rint(extent / pitch), 1)
    return result


def detail(footprint: Values) -> Values:
    """How much of a pattern of period 1 shows at a footprint: 1 below a quarter, none from three quarters on."""
    result: Values = np.clip(np.float32(1.5) - 2 * footprint, 0, 1)
    return result


def grey_blue(tone: Values) -> Values:
    """Dark glass of a tone, (3,N)."""
    return np.stack([tone, tone * np.float32(1.12), tone * np.float32(1.26)])


def mix(base: Values, over: Colour | Values, share: Values) -> Values:
    """`over` (a colour, or (3,N)) laid on `base` (3,N) with `share` (N,)."""
    top = np.array(over, np.float32)[:, None] if isinstance(over, tuple) else over
    result: Values = base + (top - base) * share
    return result
