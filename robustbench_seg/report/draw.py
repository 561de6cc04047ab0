"""Drawing a plot with matplotlib's object interface; nothing global is touched, nothing shown."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.canvas import png as drawn
from robustbench_seg.report.curves import Axis, Panel, Plot
from robustbench_seg.report.legend import entries, short
from robustbench_seg.report.style import BAND, Look
from robustbench_seg.report.views import Curve
from robustbench_seg.results.rows import Row

_COLUMNS = 3
_TALL, _LOW = 3.1, 2.35
"""Inches: the height of a single line of panels, and of one of several."""
_LEGEND_COLUMNS = 5
_LONGEST_TITLE = 108
_CLEAR_BANDS = 4
"""So many bands may lie in one panel before they have to fade."""


def png(plot: Plot) -> bytes:
    """The figure as PNG; the same bytes for the same numbers and the same matplotlib."""
    return drawn(lambda: figure(plot)) or b""


def figure(plot: Plot) -> Figure:
    """The figure of a plot; call it within `style.settings`."""
    columns = 2 if len(plot.panels) == 4 else min(_COLUMNS, len(plot.panels))
    lines = math.ceil(len(plot.panels) / columns)
    canvas = titled(plot.title)
    grid = canvas.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, panel in zip(grid.flat, plot.panels, strict=False):
        _draw_panel(axes, panel, plot.axis, _LONGEST_TITLE // columns)
    for axes in list(grid.flat)[len(plot.panels) :]:
        axes.remove()
    _scale(grid[0, 0], plot)
    _label(canvas, grid, plot)
    below = _legend(canvas, plot, is_beside=columns < _COLUMNS)
    canvas.set_size_inches(WIDTH, (_TALL if lines == 1 else _LOW) * lines + 0.9 + below)
    return canvas


def _legend(canvas: Figure, plot: Plot, is_beside: bool) -> float:
    """Add the legend beside few panels or below many; the inches it takes below."""
    known = entries(plot)
    if is_beside:
        canvas.legend(known.values(), known, loc="outside right upper", handlelength=2.6, labelspacing=0.7)
        return 0.0
    columns = max(1, min(_LEGEND_COLUMNS, int(WIDTH / (0.7 + 0.075 * max(map(len, known))))))
    canvas.legend(known.values(), known, loc="outside lower center", handlelength=2.6, ncols=columns)
    return 0.22 * math.ceil(len(known) / columns) + 0.1


def _draw_panel(axes: Axes, panel: Panel, axis: Axis, longest: int) -> None:
    axes.set_title(short(panel.title, longest), pad=7)
    axes.axhline(1, color="#777777", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    band = BAND * min(1.0, _CLEAR_BANDS / max(len(panel.curves), 1))
    for curve, look in panel.curves:
        _draw_curve(axes, curve, look, axis, band)


def _draw_curve(axes: Axes, curve: Curve, look: Look, axis: Axis, band: float) -> None:
    points = [(at, row) for row in curve.points if (at := axis.position(row)) is not None]
    x = np.array([at for at, _ in points])
    q, low, high = np.array([_heights(row) for _, row in points]).reshape(-1, 3).T
    face = "white" if look.is_hollow else look.colour
    marker, size = ("*", 10) if curve.is_unbounded else (look.marker, 4.8)
    axes.fill_between(x, low, high, color=look.colour, alpha=band, linewidth=0)
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
    known = [x for row in rows if (x := plot.axis.position(row)) is not None]
    _SCALES[plot.axis.key](axes, min(known, default=1.0), max(known, default=1.0))


def scale_epsilon(axes: Axes, low: float, high: float) -> None:
    """A horizontal axis of radii from `low` to `high` grey values, in octaves."""
    axes.set_xscale("log", base=2)
    ticks = [2.0**k for k in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(low / 2**0.4, high * 2**0.4)


def _scale_snr(axes: Axes, low: float, high: float) -> None:
    margin = max(1.0, 0.05 * (high - low))
    axes.set_xlim(high + margin, low - margin)


_SCALES = {"epsilon": scale_epsilon, "snr": _scale_snr}


def _label(canvas: Figure, grid: np.ndarray, plot: Plot) -> None:
    """The quantity once, the axis under the lowest panel of every column."""
    canvas.supylabel(plot.quantity, fontsize=9)
    for column in grid.T:
        shown = [axes for axes in column if axes.figure is not None]
        if shown:
            shown[-1].xaxis.set_tick_params(labelbottom=True)
            shown[-1].set_xlabel(plot.axis.label)
