"""What a world is made of: objects of tapered boxes, plates and balls, on a ground of strips, under a light.

Objects have a frame of their own (x right, y ahead, z up from the ground, metres) and drift at a constant speed.
Parts are plain rows until `facets` and `balls` turn all of them into arrays at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Float = npt.NDArray[np.float64]
Colour = tuple[float, float, float]


class Material(IntEnum):
    """How a surface is painted; `textures` has one function each."""

    PLAIN = 0
    FACADE = 1
    SHOP = 2
    ROOF = 3
    STONE = 4
    SLATS = 5
    LEAVES = 6
    BARK = 7
    GLASS = 8
    PANEL = 9
    WHEEL = 10
    SIGN = 11
    LAMP = 12
    COACH = 13
    SPOKES = 14
    BODY = 15
    MESH = 16
    GROUND = 17


class Symbol(IntEnum):
    """What a traffic sign shows: the first number of its look."""

    RING = 0
    ARROW = 1
    BAR = 2
    TEXT = 3
    WARNING = 4
    YIELD = 5


class Look(NamedTuple):
    """A material with its colour and two numbers that the material gives a meaning to."""

    material: int
    red: float
    green: float
    blue: float
    p: float = 0.0
    q: float = 0.0


def look(material: Material, colour: Colour, p: float = 0.0, q: float = 0.0) -> Look:
    """A look from a colour triple."""
    return Look(material, *colour, p, q)


class Item(NamedTuple):
    """An object's class, place (m), heading (radians, left of world y) and speed (m a frame)."""

    label: int
    x: float
    y: float
    z: float = 0.0
    yaw: float = 0.0
    vx: float = 0.0
    vy: float = 0.0


@dataclass
class Parts:
    """The rows of all objects; `contacts` are the footprints that darken the ground around them."""

    items: list[Item] = field(default_factory=list)
    boxes: list[tuple[float, ...]] = field(default_factory=list)
    plates: list[tuple[float, ...]] = field(default_factory=list)
    balls: list[tuple[float, ...]] = field(default_factory=list)
    contacts: list[tuple[float, ...]] = field(default_factory=list)

    def add(self, item: Item) -> int:
        """A new object; its number is the instance id of its pixels."""
        self.items.append(item)
        return len(self.items) - 1

    def box(
        self,
        item: int,
        foot: Colour,
        size: Colour,
        side: Look,
        top: Look | None = None,
        taper: tuple[float, float] = (1.0, 1.0),
        shift: float = 0.0,
    ) -> None:
        """A box standing on `foot` (centre of its base) of `size`; its top is scaled by `taper` and moved ahead."""
        self.boxes.append((item, *foot, *size, *taper, shift, *side, *(top or side)))

    def plate(
        self,
        item: int,
        centre: Colour,
        radii: tuple[float, float],
        face: Look,
        facing: float = 0.0,
        sides: int = 10,
        spin: float = 0.0,
    ) -> None:
        """A flat upright polygon of `sides` corners that looks `facing` radians left of the object's heading."""
        self.plates.append((item, *centre, *radii, facing, sides, spin, *face))

    def ball(self, item: int, centre: Colour, radii: Colour, face: Look, pitch: float = 0.0) -> None:
        """An ellipsoid, leaning ahead by `pitch` radians."""
        self.balls.append((item, *centre, *radii, pitch, *face))

    def contact(self, item: int, half_x: float, half_y: float, strength: float = 0.6) -> None:
        """Darken the ground under and around a footprint."""
        self.contacts.append((item, half_x, half_y, strength))


@dataclass(frozen=True)
class Strip:
    """A strip of ground beside the road: where it ends (m from the kerb) and its class."""

    end: float
    label: int


@dataclass(frozen=True)
class Crossing:
    """A side street across the road at `y` of half width `half`, open to the left and/or right."""

    y: float
    half: float
    left: bool = True
    right: bool = True


@dataclass(frozen=True)
class Ground:
    """The road along x = bend(y), its lanes, kerbs and strips.

    `left` and `right` are the distances of the kerbs from the centre line, `kerb` their height, `strips` three a
    side. `lanes` are the offsets of lane lines, `colours` the colours of road, paving, grass and kerb.
    """

    left: float
    right: float
    kerb: float
    strips: tuple[tuple[Strip, ...], tuple[Strip, ...]]
    curve: float
    slope: float
    lanes: tuple[tuple[float, bool], ...]
    crossing: Crossing | None
    zebra: float | None
    colours: tuple[Colour, Colour, Colour, Colour]
    tiles: float
    paint: float
    wear: float

    def bend(self, y: Float) -> Float:
        """World x of the centre line at world y."""
        return self.slope * y + self.curve * y * y


@dataclass(frozen=True)
class Light:
    """The sun's direction and colour, the sky's, fog (1/m and colour), cloud cover and the film's response."""

    sun: Float
    sun_colour: Colour
    ambient: Colour
    bounce: Colour
    zenith: Colour
    horizon: Colour
    clouds: float
    cloud_colour: Colour
    fog: float
    fog_colour: Colour
    exposure: float
    tint: Colour
    contrast: float


@dataclass(frozen=True)
class Scene:
    """A world, and the camera's path through it: one (x, y, z, yaw, pitch, roll) a frame at offset -1, 0, 1.

    `convoy` are the numbers of the objects that move as the camera does.
    """

    parts: Parts
    ground: Ground
    light: Light
    path: tuple[tuple[float, ...], ...]
    focal: float
    salt: int
    convoy: tuple[int, ...] = ()
