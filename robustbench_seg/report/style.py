"""How figures look: a colour per perturbation, a line and marker per model, settings that no user file changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import matplotlib.style

from robustbench_seg.attacks.registry import BUILT_IN
from robustbench_seg.report.views import Curve
from robustbench_seg.results.keys import attack_name

_PALETTE = (
    *("#56b4e9", "#0072b2", "#e69f00", "#7f6000", "#d55e00", "#aa4499", "#8c1d40"),
    *("#7b3294", "#000000", "#5c5c5c", "#44aa99", "#009e73", "#999933", "#cc79a7"),
)
_COLOURS = dict(zip(BUILT_IN, _PALETTE, strict=False))
_SPARE = ("#1b5e20", "#7f6000", "#7b3294", "#5c5c5c", "#8c1d40", "#44aa99", "#999933", "#aa4499")
"""Okabe and Ito's palette without its yellow, which is lost on white, with more for what ships and what plugins add."""

_LINES = ((0, ()), (0, (4, 1.6)), (0, (1.2, 1.4)), (0, (5, 1.4, 1.2, 1.4)))
_DOTTED = (0, (1.0, 1.3))
_MARKERS = "osD^vPX<"
_INK = ("#1a1a1a", "#b3541e", "#2d6a9f", "#4f7a28", "#7b4a9e", "#b8860b", "#c2477f")

BAND = 0.2
"""Opacity of an interval's band."""

SETTINGS = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.labelsize": 9,
    "axes.edgecolor": "#555555",
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.8,
    "xtick.color": "#333333",
    "ytick.color": "#333333",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.7,
    "lines.markersize": 4.5,
    "text.parse_math": False,
    "savefig.dpi": 150,
}


@contextmanager
def settings() -> Iterator[None]:
    """The project's look on top of matplotlib's own defaults, whatever the user's matplotlibrc says."""
    with matplotlib.style.context(["default", SETTINGS]):
        yield


@dataclass(frozen=True)
class Look:
    """How one curve is drawn."""

    colour: str
    line: tuple[int, tuple[float, ...]]
    marker: str
    is_hollow: bool

    @property
    def face(self) -> str:
        """The colour inside a marker."""
        return "white" if self.is_hollow else self.colour

    def scored(self, *, is_rounded: bool) -> Look:
        """The look where images rounded to 8 bits, dotted and hollow, stand beside those before, which are filled."""
        return replace(self, line=_DOTTED if is_rounded else self.line, is_hollow=is_rounded)


def colours(curves: Iterable[Curve]) -> dict[str, str]:
    """A colour for every perturbation's label before rounding: its attack's own, or a spare one where that is taken."""
    chosen: dict[str, str] = {}
    for curve in curves:
        if curve.plain not in chosen:
            own = _COLOURS.get(attack_name(curve.attack))
            free = [colour for colour in (own, *_SPARE, *_PALETTE) if colour and colour not in chosen.values()]
            chosen[curve.plain] = free[0] if free else "#333333"
    return chosen


def looks(models: Sequence[str]) -> Mapping[str, Look]:
    """Line, marker and ink of every model."""
    return {
        model: Look(_INK[i % len(_INK)], _LINES[i % len(_LINES)], _MARKERS[i % len(_MARKERS)], i % 2 == 1)
        for i, model in enumerate(models)
    }
