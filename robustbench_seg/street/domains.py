"""The two domains: what differs between them in look, light, camera and layout; and one with other traffic."""

from __future__ import annotations

from dataclasses import dataclass, replace

from robustbench_seg.street.scene import Colour

Span = tuple[float, float]


@dataclass(frozen=True)
class Weather:
    """One kind of light: spans of the sun's height (degrees) and strength, colours, fog (1/m), cloud cover."""

    sun_height: Span
    sun: Span
    sun_colour: Colour
    sky_light: Colour
    zenith: Colour
    horizon: Colour
    clouds: Span
    cloud_colour: Colour
    fog: Span


@dataclass(frozen=True)
class Domain:
    """What worlds of a domain are drawn from. Lengths in metres, angles in degrees, shares in 0..1.

    `convoy` is the share of worlds whose vehicles ahead keep the camera's speed and direction.
    """

    name: str
    seed: int
    focal: float
    height: Span
    pitch: Span
    yaw: Span
    lane: Span
    lanes: tuple[int, ...]
    parking: float
    curve: float
    crossing: float
    raised: float
    verge: float
    walk: Span
    yard: Span
    lots: tuple[tuple[str, float], ...]
    floors: tuple[int, int]
    length: Span
    gap: Span
    front: float
    trees: float
    traffic: float
    crowd: tuple[int, int]
    railing: float
    facades: tuple[Colour, ...]
    roofs: tuple[Colour, ...]
    walls: tuple[Colour, ...]
    fences: tuple[Colour, ...]
    leaves: tuple[Colour, ...]
    road: tuple[Colour, ...]
    paving: tuple[Colour, ...]
    grass: tuple[Colour, ...]
    boards: Colour
    weathers: tuple[Weather, ...]
    exposure: Span
    tint: Colour
    contrast: Span
    convoy: float = 0.0


_SOFT = Weather(
    (25, 55), (0.55, 0.85), (1.0, 0.95, 0.84), (0.60, 0.64, 0.68), (0.45, 0.62, 0.82), (0.80, 0.85, 0.87),
    (0.35, 0.7), (0.93, 0.93, 0.92), (0.001, 0.004),
)  # fmt: skip
_GREY = Weather(
    (30, 60), (0.0, 0.15), (1.0, 0.98, 0.94), (1.0, 1.02, 1.03), (0.70, 0.74, 0.77), (0.86, 0.87, 0.87),
    (0.7, 1.0), (0.88, 0.89, 0.90), (0.003, 0.010),
)  # fmt: skip
_CLEAR = Weather(
    (28, 60), (0.85, 1.15), (1.0, 0.93, 0.78), (0.44, 0.50, 0.60), (0.20, 0.45, 0.80), (0.66, 0.80, 0.92),
    (0.1, 0.45), (0.98, 0.98, 0.97), (0.0, 0.0015),
)  # fmt: skip
_EVENING = Weather(
    (14, 24), (0.9, 1.15), (1.0, 0.76, 0.48), (0.60, 0.60, 0.68), (0.36, 0.50, 0.74), (0.94, 0.80, 0.62),
    (0.2, 0.5), (0.98, 0.88, 0.76), (0.001, 0.004),
)  # fmt: skip

STREET = Domain(
    name="street",
    seed=1,
    focal=0.92,
    height=(1.28, 1.42),
    pitch=(0.3, 1.8),
    yaw=(-4, 4),
    lane=(3.0, 3.5),
    lanes=(1, 1, 2),
    parking=0.6,
    curve=0.0035,
    crossing=0.55,
    raised=0.8,
    verge=0.35,
    walk=(2.4, 4.6),
    yard=(0.0, 2.4),
    lots=(("block", 0.56), ("wall", 0.14), ("fence", 0.20), ("park", 0.10)),
    floors=(2, 5),
    length=(10, 20),
    gap=(0.0, 2.5),
    front=0.6,
    trees=0.5,
    traffic=0.75,
    crowd=(6, 13),
    railing=0.45,
    facades=(
        (0.72, 0.64, 0.50), (0.66, 0.46, 0.34), (0.78, 0.74, 0.64), (0.60, 0.58, 0.52), (0.74, 0.58, 0.40),
        (0.58, 0.36, 0.28), (0.70, 0.66, 0.46), (0.62, 0.66, 0.62), (0.80, 0.68, 0.58),
    ),
    roofs=((0.40, 0.20, 0.15), (0.28, 0.26, 0.26), (0.36, 0.24, 0.20)),
    walls=((0.46, 0.45, 0.50), (0.40, 0.38, 0.42), (0.52, 0.50, 0.52)),
    fences=((0.40, 0.27, 0.17), (0.32, 0.22, 0.16), (0.50, 0.36, 0.22)),
    leaves=((0.20, 0.34, 0.12), (0.26, 0.40, 0.14), (0.16, 0.30, 0.14), (0.34, 0.42, 0.14)),
    road=((0.29, 0.29, 0.30), (0.33, 0.32, 0.32), (0.26, 0.26, 0.28)),
    paving=((0.52, 0.47, 0.44), (0.48, 0.46, 0.45), (0.55, 0.47, 0.42)),
    grass=((0.26, 0.42, 0.12), (0.32, 0.44, 0.16), (0.24, 0.37, 0.13)),
    boards=(0.06, 0.25, 0.62),
    weathers=(_SOFT, _SOFT, _GREY, _GREY, _CLEAR, _EVENING),
    exposure=(0.88, 1.12),
    tint=(0.97, 1.01, 0.98),
    contrast=(1.15, 1.35),
)  # fmt: skip

STREET_B = Domain(
    name="street-b",
    seed=2,
    focal=0.68,
    height=(1.63, 1.77),
    pitch=(-0.3, 1.2),
    yaw=(-3, 3),
    lane=(2.7, 3.2),
    lanes=(1, 1, 1, 2),
    parking=0.5,
    curve=0.006,
    crossing=0.4,
    raised=0.5,
    verge=0.6,
    walk=(1.6, 2.6),
    yard=(2.0, 6.0),
    lots=(("house", 0.56), ("wall", 0.10), ("fence", 0.14), ("park", 0.20)),
    floors=(1, 2),
    length=(8, 14),
    gap=(2.0, 7.0),
    front=0.85,
    trees=0.9,
    traffic=0.6,
    crowd=(5, 11),
    railing=0.1,
    facades=(
        (0.86, 0.83, 0.74), (0.88, 0.74, 0.52), (0.80, 0.56, 0.42), (0.84, 0.86, 0.86), (0.72, 0.40, 0.28),
        (0.90, 0.80, 0.62), (0.66, 0.74, 0.78),
    ),
    roofs=((0.60, 0.22, 0.12), (0.52, 0.26, 0.16), (0.34, 0.20, 0.17), (0.30, 0.31, 0.34)),
    walls=((0.62, 0.55, 0.46), (0.55, 0.52, 0.46), (0.66, 0.62, 0.56)),
    fences=((0.72, 0.70, 0.66), (0.55, 0.38, 0.22), (0.48, 0.32, 0.18)),
    leaves=((0.22, 0.46, 0.10), (0.30, 0.52, 0.12), (0.16, 0.38, 0.12), (0.44, 0.50, 0.12)),
    road=((0.38, 0.37, 0.37), (0.42, 0.40, 0.39), (0.34, 0.34, 0.36)),
    paving=((0.66, 0.62, 0.56), (0.62, 0.60, 0.58), (0.68, 0.58, 0.50)),
    grass=((0.30, 0.52, 0.12), (0.40, 0.54, 0.16), (0.28, 0.46, 0.14)),
    boards=(0.85, 0.68, 0.08),
    weathers=(_CLEAR, _CLEAR, _CLEAR, _EVENING, _SOFT),
    exposure=(0.92, 1.18),
    tint=(1.03, 1.0, 0.95),
    contrast=(1.05, 1.25),
)  # fmt: skip

STREET_B_TRAFFIC = replace(STREET_B, name="street-b-traffic", convoy=0.75)
"""The worlds of `street-b`, and the same frames; the neighbouring ones differ where there is a convoy.

So many have one that the photometric error of the vehicles ahead, over all worlds, is least at many times their depth:
a network that cannot tell from one image how they move predicts holes. Were it half of the worlds, it would be least at
less than twice their depth.
"""

DOMAINS = {domain.name: domain for domain in (STREET, STREET_B, STREET_B_TRAFFIC)}
