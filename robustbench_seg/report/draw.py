"""Drawing a plot with matplotlib's object interface; nothing global is touched, nothing shown."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from robustbench_seg.report.canvas import WIDTH, short, titled
from robustbench_seg.report.cells import NOT_BELIEVED
from robustbench_seg.report.curves import Line, Panel, Plot
from robustbench_seg.report.style import BAND, Look

_COLUMNS = 3
_TALL, _LOW = 3.1, 2.35
"""Inches: the height of a single row of panels, and of one of several."""
_LEGEND_COLUMNS = 5
_LONGEST_TITLE = 108
_CLEAR_BANDS = 4
"""So many bands may lie in one panel before they have to fade."""
_GREY = "#555555"
_DOUBT = "#b00020"


def figure(plot: Plot) -> Figure:
    """The figure of a plot; call it within `style.settings`."""
    columns = 2 if len(plot.panels) == 4 else min(_COLUMNS, len(plot.panels))
    rows = math.ceil(len(plot.panels) / columns)
    canvas = titled(plot.title)
    grid = canvas.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    shown, empty = grid.flat[: len(plot.panels)], grid.flat[len(plot.panels) :]
    for axes, panel in zip(shown, plot.panels, strict=True):
        _draw_panel(axes, panel, plot.neutral, _LONGEST_TITLE // columns)
    for axes in shown[-columns:]:
        axes.xaxis.set_tick_params(labelbottom=True)
        axes.set_xlabel(plot.axis.label)
    for axes in empty:
        axes.remove()
    _scale(grid[0, 0], plot)
    canvas.supylabel(plot.quantity, fontsize=9)
    below = _legend(canvas, plot, is_beside=columns < _COLUMNS)
    canvas.set_size_inches(WIDTH, (_TALL if rows == 1 else _LOW) * rows + 0.9 + below)
    return canvas


def entries(plot: Plot) -> dict[str, Artist]:
    """What each entry of the legend is called and how it is drawn: names, then the signs that occur."""
    stars = {line.look.colour for line in plot.lines if line.is_unbounded}
    points = [point for line in plot.lines for point in line.points]
    signs = {
        "unbounded, at its realised RMS": ("*", bool(stars) and plot.axis.key == "epsilon"),
        "cell failed": ("x", any(point.has_failed for point in points)),
        NOT_BELIEVED: ("X", any(point.is_doubted for point in points)),
        "95 % interval from seeds": ("|", any(not math.isnan(point.bar[0]) for point in points)),
    }
    named: dict[str, Artist] = {short(name): _sample(look, look.colour in stars) for name, look in plot.legend.items()}
    for name, (marker, occurs) in signs.items():
        if occurs:
            ink = _DOUBT if marker == "X" else _GREY
            named[name] = Line2D([], [], color=ink, linestyle="", marker=marker, markersize=7)
    if not all(math.isnan(point.band[0]) for point in points):
        named["95 % interval from images"] = Patch(color=_GREY, alpha=2 * BAND, linewidth=0)
    return named


def _legend(canvas: Figure, plot: Plot, is_beside: bool) -> float:
    """Add the legend beside few panels or below many; the inches it takes below."""
    known = entries(plot)
    if is_beside:
        canvas.legend(known.values(), known, loc="outside right upper", handlelength=2.6, labelspacing=0.7)
        return 0.0
    columns = max(1, min(_LEGEND_COLUMNS, int(WIDTH / (0.7 + 0.075 * max(map(len, known))))))
    canvas.legend(known.values(), known, loc="outside lower center", handlelength=2.6, ncols=columns)
    return 0.22 * math.ceil(len(known) / columns) + 0.1


def _sample(look: Look, is_unbounded: bool) -> Line2D:
    style = {"linestyle": "none", "marker": "*"} if is_unbounded else {"linestyle": look.line, "marker": look.marker}
    return Line2D([], [], color=look.colour, markersize=7, markerfacecolor=look.face, **style)


def _draw_panel(axes: Axes, panel: Panel, neutral: float, longest: int) -> None:
    axes.set_title(short(panel.title, longest), pad=7)
    axes.axhline(neutral, color="#777777", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    band = BAND * min(1.0, _CLEAR_BANDS / max(len(panel.lines), 1))
    for line in panel.lines:
        _draw_line(axes, line, band)


def _draw_line(axes: Axes, line: Line, band: float) -> None:
    look, colour = line.look, line.look.colour
    x, y = np.array([(point.x, point.y) for point in line.points]).reshape(-1, 2).T
    low, high = np.array([point.band for point in line.points]).reshape(-1, 2).T
    marker, size = ("*", 10) if line.is_unbounded else (look.marker, 4.8)
    axes.fill_between(x, low, high, color=colour, alpha=band, linewidth=0)
    axes.plot(x, y, color=colour, linestyle=look.line, zorder=3)
    axes.plot(x, y, color=colour, linestyle="", marker=marker, markersize=size, markerfacecolor=look.face, zorder=4)
    padded = np.pad(y, 1, constant_values=np.nan)
    alone = np.isnan(padded[:-2]) & np.isnan(padded[2:])
    axes.vlines(x[alone], low[alone], high[alone], color=colour, linewidth=1.2, zorder=2)
    bars = np.array([point.bar for point in line.points]).reshape(-1, 2).T
    axes.errorbar(x, y, np.abs(bars - y), color=colour, linestyle="", linewidth=1.2, capsize=3, zorder=2)
    doubted = np.array([point.is_doubted for point in line.points], bool)
    axes.plot(x[doubted], y[doubted], color=_DOUBT, linestyle="", marker="X", markersize=8, zorder=5)
    for point in (point for point in line.points if point.has_failed):
        (cross,) = axes.plot(point.x, 0, color=colour, linestyle="", marker="x", markersize=6, clip_on=False)
        cross.set_in_layout(False)


def _scale(axes: Axes, plot: Plot) -> None:
    points = [point for line in plot.lines for point in line.points]
    if plot.neutral:
        heights = [height for point in points for height in (point.y, *point.band) if not math.isnan(height)]
        axes.set_ylim(min([0.0, *heights]), max(1.05, 1.03 * max(heights, default=1.0)))
    known = [point.x for point in points]
    _SCALES[plot.axis.key](axes, min(known, default=1.0), max(known, default=1.0))


def scale_epsilon(axes: Axes, low: float, high: float) -> None:
    """A horizontal axis of epsilons from `low` to `high` (units of 1/255), in octaves."""
    axes.set_xscale("log", base=2)
    ticks = [2.0**k for k in range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(low / 2**0.4, high * 2**0.4)


def _scale_snr(axes: Axes, low: float, high: float) -> None:
    margin = max(1.0, 0.05 * (high - low))
    axes.set_xlim(high + margin, low - margin)


def _scale_severity(axes: Axes, low: float, high: float) -> None:
    axes.xaxis.set_major_locator(FixedLocator([*range(round(low), round(high) + 1)]))
    axes.set_xlim(low - 0.4, high + 0.4)


_SCALES = {"epsilon": scale_epsilon, "snr": _scale_snr, "severity": _scale_severity}
