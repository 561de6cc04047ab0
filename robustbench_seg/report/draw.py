"""Drawing a plot with matplotlib's object interface; nothing global is touched, nothing shown."""

from __future__ import annotations

import io
import math
import warnings

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from robustbench_seg.report.curves import Axis, Panel, Plot
from robustbench_seg.report.rows import Row
from robustbench_seg.report.style import Look, settings
from robustbench_seg.report.views import Curve

_COLUMNS = 3
_PANEL = (3.2, 2.45)
"""Width and height of a panel in inches."""
_BAND = 0.16
_LONGEST_NAME = 44


def png(plot: Plot) -> bytes:
    """The figure as PNG; the same bytes for the same numbers and the same matplotlib."""
    buffer = io.BytesIO()
    with settings(), warnings.catch_warnings():
        # A model may be called in a script that the font lacks: boxes in a figure are no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure(plot).savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def figure(plot: Plot) -> Figure:
    """The figure of a plot; call it within `style.settings`."""
    columns = 2 if len(plot.panels) == 4 else min(_COLUMNS, len(plot.panels))
    lines = math.ceil(len(plot.panels) / columns)
    width, height = _PANEL
    size = (width * max(columns, 2) + 1.9, height * lines * (1.25 if lines == 1 else 1) + 0.75)
    canvas = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.08))
    canvas.suptitle(_short(plot.title, 110), x=0.012, ha="left", fontweight="bold", fontsize=11)
    grid = canvas.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, panel in zip(grid.flat, plot.panels, strict=False):
        _draw_panel(axes, panel, plot.axis)
    for axes in list(grid.flat)[len(plot.panels) :]:
        axes.remove()
    _scale(grid[0, 0], plot)
    _label(canvas, grid, plot)
    handles, names = _legend(plot)
    canvas.legend(handles, names, loc="outside right upper", handlelength=2.6, labelspacing=0.7)
    return canvas


def _draw_panel(axes: Axes, panel: Panel, axis: Axis) -> None:
    axes.set_title(_short(panel.title), pad=7)
    axes.axhline(1, color="#777777", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    for curve, look in panel.curves:
        _draw_curve(axes, curve, look, axis)


def _draw_curve(axes: Axes, curve: Curve, look: Look, axis: Axis) -> None:
    points = [(at, row) for row in curve.points if (at := axis.position(row)) is not None]
    x = np.array([at for at, _ in points])
    q, low, high = np.array([_heights(row) for _, row in points]).reshape(-1, 3).T
    face = "white" if look.is_hollow else look.colour
    marker, size = ("*", 10) if curve.is_unbounded else (look.marker, 4.8)
    axes.fill_between(x, low, high, color=look.colour, alpha=_BAND, linewidth=0)
    axes.plot(x, q, color=look.colour, linestyle=look.line, zorder=3)
    axes.plot(x, q, color=look.colour, linestyle="", marker=marker, markersize=size, markerfacecolor=face, zorder=4)
    padded = np.pad(q, 1, constant_values=np.nan)
    alone = np.isnan(padded[:-2]) & np.isnan(padded[2:])
    axes.vlines(x[alone], low[alone], high[alone], color=look.colour, linewidth=1.2, zorder=2)
    for gone in (at for at, row in points if row.failed):
        (cross,) = axes.plot(gone, 0, color=look.colour, linestyle="", marker="x", markersize=6, clip_on=False)
        cross.set_in_layout(False)


def _heights(row: Row) -> tuple[float, float, float]:
    """Q and its interval; a failed cell is a gap, for it stands for fewer images."""
    if row.failed or row.ratio is None:
        return math.nan, math.nan, math.nan
    return row.ratio, row.low, row.high


def _scale(axes: Axes, plot: Plot) -> None:
    rows = [row for panel in plot.panels for curve, _ in panel.curves for row in curve.points]
    top = max((value for row in rows for value in _heights(row) if not math.isnan(value)), default=1.0)
    axes.set_ylim(0, max(1.05, 1.03 * top))
    known = [x for row in rows if (x := plot.axis.position(row))]
    _SCALES[plot.axis.key](axes, min(known, default=1.0), max(known, default=1.0))


def _scale_epsilon(axes: Axes, low: float, high: float) -> None:
    axes.set_xscale("log", base=2)
    ticks = [2.0**k for k in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(low / 2**0.4, high * 2**0.4)


def _scale_snr(axes: Axes, low: float, high: float) -> None:
    margin = max(1.0, 0.05 * (high - low))
    axes.set_xlim(high + margin, low - margin)


_SCALES = {"epsilon": _scale_epsilon, "snr": _scale_snr}


def _label(canvas: Figure, grid: np.ndarray, plot: Plot) -> None:
    canvas.supxlabel(plot.axis.label, fontsize=9)
    canvas.supylabel(plot.quantity, fontsize=9)
    for column in grid[:, : len(plot.panels)].T:
        lowest = [axes for axes in column if axes.figure is not None][-1]
        lowest.xaxis.set_tick_params(labelbottom=True)


def _legend(plot: Plot) -> tuple[list[Line2D | Patch], list[str]]:
    """Names and how they are drawn, then what the signs mean that occur."""
    curves = [(curve, look) for panel in plot.panels for curve, look in panel.curves]
    stars = {curve.label for curve, _ in curves if curve.is_unbounded}
    named = {name: _handle(look, "*" if name in stars else look.marker) for name, look in plot.legend.items()}
    rows = [row for curve, _ in curves for row in curve.points]
    signs = {
        "unbounded, at its realised RMS": ("*", bool(stars) and plot.axis.key == "epsilon"),
        "cell failed": ("x", any(row.failed for row in rows)),
    }
    shown = {name: _sign(marker) for name, (marker, occurs) in signs.items() if occurs}
    band = {"95 % interval": Patch(color="#777777", alpha=2 * _BAND, linewidth=0)}
    entries: dict[str, Line2D | Patch] = {**named, **shown, **band}
    return list(entries.values()), [_short(name) for name in entries]


def _sign(marker: str) -> Line2D:
    return Line2D([], [], color="#555555", linestyle="", marker=marker, markersize=7)


def _handle(look: Look, marker: str) -> Line2D:
    face = "white" if look.is_hollow else look.colour
    line = Line2D([], [], color=look.colour, marker=marker, markersize=7, markerfacecolor=face)
    line.set_linestyle("none" if marker == "*" else look.line)
    return line


def _short(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name that fits, its middle left out if need be; a leading underscore would hide it from the legend."""
    shown = name if len(name) <= longest else f"{name[: longest // 2 - 1]}…{name[-longest // 2 + 1 :]}"
    return f" {shown}" if shown.startswith("_") else shown
