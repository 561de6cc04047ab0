"""Legends: the names of a plot's colours or lines, then the signs that occur in it."""

from __future__ import annotations

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from robustbench_seg.report.curves import Plot
from robustbench_seg.report.style import BAND, Look

_LONGEST_NAME = 44
_GREY = "#555555"


def entries(plot: Plot) -> dict[str, Line2D | Patch]:
    """What each entry of the legend is called and how it is drawn."""
    curves = [curve for panel in plot.panels for curve, _ in panel.curves]
    stars = {curve.label for curve in curves if curve.is_unbounded}
    signs = {
        "unbounded, at its realised RMS": ("*", bool(stars) and plot.axis.key == "epsilon"),
        "cell failed": ("x", any(row.failed for curve in curves for row in curve.points)),
    }
    named = {short(name): _line(look, name in stars) for name, look in plot.legend.items()}
    shown = {name: _sign(marker) for name, (marker, occurs) in signs.items() if occurs}
    return {**named, **shown, "95 % interval": Patch(color=_GREY, alpha=2 * BAND, linewidth=0)}


def short(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name that fits, its middle left out if need be; a leading underscore would hide it from the legend."""
    shown = name if len(name) <= longest else f"{name[: longest // 2 - 1]}…{name[-longest // 2 + 1 :]}"
    return f" {shown}" if shown.startswith("_") else shown


def _sign(marker: str) -> Line2D:
    return Line2D([], [], color=_GREY, linestyle="", marker=marker, markersize=7)


def _line(look: Look, is_unbounded: bool) -> Line2D:
    marker, face = "*" if is_unbounded else look.marker, "white" if look.is_hollow else look.colour
    line = Line2D([], [], color=look.colour, marker=marker, markersize=7, markerfacecolor=face)
    line.set_linestyle("none" if is_unbounded else look.line)
    return line
