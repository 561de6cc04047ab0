"""Where things go along a street: places beside the road, and stretches that are already taken."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from robustbench_seg.street.dice import Dice
from robustbench_seg.street.domains import Domain
from robustbench_seg.street.scene import Ground, Item, Parts

START, END = -4.0, 95.0
"""The stretch of street (world y, m) that is built."""


@dataclass
class Plan:
    """A world in the making. Sides are -1 (left) and +1 (right); `taken` holds stretches of y by lane."""

    domain: Domain
    dice: Dice
    parts: Parts
    ground: Ground
    lane: float
    per_side: int
    parking: tuple[bool, bool]
    taken: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def kerb(self, side: int) -> float:
        """Distance of a side's kerb from the centre line."""
        return self.ground.left if side < 0 else self.ground.right

    def walk_end(self, side: int) -> float:
        """Where a side's pavement ends, from its kerb."""
        return self.ground.strips[(side + 1) // 2][1].end

    def walk_start(self, side: int) -> float:
        """Where a side's pavement starts, from its kerb: beyond the verge, if there is one."""
        first = self.ground.strips[(side + 1) // 2][0]
        return first.end if first.label != 1 else 0.0

    def on_road(self, across: float, y: float, *, heading: int = 1, speed: float = 0.0) -> Item:
        """A place at `across` m from the centre line, heading along the road (-1: against y)."""
        return self._place(across, y, 0.0, heading, speed)

    def beside(self, side: int, distance: float, y: float, *, heading: int = 1, speed: float = 0.0) -> Item:
        """A place `distance` m beyond the kerb of a side, on the raised ground."""
        return self._place(side * (self.kerb(side) + distance), y, self.ground.kerb, heading, speed)

    def _place(self, across: float, y: float, z: float, heading: int, speed: float) -> Item:
        bend, slope = self.ground.slope * y + self.ground.curve * y * y, self.ground.slope + 2 * self.ground.curve * y
        yaw = -math.atan(slope) + (math.pi if heading < 0 else 0.0)
        return Item(0, bend + across, y, z, yaw, -math.sin(yaw) * speed, math.cos(yaw) * speed)

    def in_crossing(self, side: int, low: float, high: float) -> bool:
        """Whether a stretch of a side meets the side street."""
        crossing = self.ground.crossing
        if crossing is None or not (crossing.left if side < 0 else crossing.right):
            return False
        return high > crossing.y - crossing.half and low < crossing.y + crossing.half

    def take(self, lane: str, low: float, high: float) -> bool:
        """Claims a stretch of a lane; False where some of it is taken."""
        if not self.is_free(lane, low, high):
            return False
        self.taken.setdefault(lane, []).append((low, high))
        return True

    def is_free(self, lane: str, low: float, high: float) -> bool:
        """Whether nobody has claimed any of a stretch of a lane."""
        return not any(low < end and start < high for start, end in self.taken.get(lane, ()))
