"""The figure of differences: Q of B minus Q of A over the radius, a panel a perturbation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.curves import AXES
from robustbench_seg.report.differences.wording import pair_name
from robustbench_seg.report.draw import scale_epsilon
from robustbench_seg.report.legend import short
from robustbench_seg.report.names import metric_name, task_name
from robustbench_seg.report.style import BAND, Look, looks
from robustbench_seg.report.views import View
from robustbench_seg.results.differences import Difference
from robustbench_seg.results.rows import unique

_COLUMNS = 3
_HEIGHT = 2.35
"""Inches of a line of panels."""
_APART = 0.09
"""Octaves between the points of two pairs at one radius, so that their bars do not hide each other."""
_GREY = "#555555"


def difference_figure(view: View, found: Sequence[Difference]) -> Figure | None:
    """A curve a pair of groups, a panel a perturbation of the task; `found` are differences of Q in the view.

    Bands are intervals from images, bars those from seeds. None without a radius to draw over.
    """
    drawn = [one for one in found if one.is_own and one.epsilon]
    if not drawn:
        return None
    styles = looks(unique([pair_name(one) for one in found]))
    panels = list(dict.fromkeys(one.series for one in drawn))
    columns = min(_COLUMNS, len(panels)) if len(panels) != 4 else 2
    lines = math.ceil(len(panels) / columns)
    canvas = titled(f"{task_name(view.task).capitalize()} on {view.dataset}, differences of Q")
    grid = canvas.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, series in zip(grid.flat, panels, strict=False):
        axes.set_title(short(view.labels[series], 108 // columns), pad=7)
        _panel(axes, [one for one in drawn if one.series == series], styles)
    for axes in list(grid.flat)[len(panels) :]:
        axes.remove()
    for column in grid.T:
        last = [axes for axes in column if axes.figure is not None][-1]
        last.xaxis.set_tick_params(labelbottom=True)
        last.set_xlabel(AXES[0].label)
    radii = [one.epsilon for one in drawn if one.epsilon]
    scale_epsilon(grid[0, 0], min(radii), max(radii))
    canvas.supylabel(f"ΔQ (B − A) of {metric_name(view.metric)}", fontsize=9)
    legend = _legend(drawn, styles)
    canvas.legend(legend.values(), legend, loc="outside lower center", handlelength=2.6, ncols=3)
    canvas.set_size_inches(WIDTH, _HEIGHT * lines + 1.1 + 0.22 * math.ceil(len(legend) / 3))
    return canvas


def _panel(axes: Axes, found: Sequence[Difference], styles: Mapping[str, Look]) -> None:
    axes.axhline(0, color="#777777", linewidth=0.9, linestyle=(0, (1, 2)), zorder=1)
    pairs = list(styles)
    for at, name in enumerate(pairs):
        mine = sorted((one for one in found if pair_name(one) == name), key=lambda one: one.epsilon or 0.0)
        shift = 2.0 ** (_APART * (at - (len(pairs) - 1) / 2))
        _curve(axes, mine, styles[name], shift, BAND / max(1.0, len(pairs) / 4))


def _curve(axes: Axes, found: Sequence[Difference], look: Look, shift: float, band: float) -> None:
    x = np.array([(one.epsilon or 0.0) * shift for one in found])
    y = [one.difference for one in found]
    low, high = _ends([(one.image_low, one.image_high) for one in found])
    axes.fill_between(x, low, high, color=look.colour, alpha=band, linewidth=0)
    face = "white" if look.is_hollow else look.colour
    axes.plot(x, y, color=look.colour, linestyle=look.line, marker=look.marker, markerfacecolor=face, zorder=3)
    low, high = _ends([(one.seed_low, one.seed_high) for one in found])
    axes.vlines(x, low, high, color=look.colour, linewidth=1.2, zorder=2)
    for ends in (low, high):
        axes.plot(x, ends, color=look.colour, linestyle="", marker="_", markersize=6, zorder=2)


def _ends(bounds: Sequence[tuple[float | None, float | None]]) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.array(bounds, np.float64).reshape(-1, 2).T
    return low, high


def _legend(found: Sequence[Difference], styles: Mapping[str, Look]) -> dict[str, Artist]:
    known: dict[str, Artist] = {short(name): _line(look) for name, look in styles.items()}
    if any(one.image_low is not None for one in found):
        known["95 % interval from images"] = Patch(color=_GREY, alpha=2 * BAND, linewidth=0)
    if any(one.seed_low is not None for one in found):
        known["95 % interval from seeds"] = Line2D([], [], color=_GREY, linestyle="", marker="|", markersize=10)
    return known


def _line(look: Look) -> Line2D:
    face = "white" if look.is_hollow else look.colour
    return Line2D([], [], color=look.colour, linestyle=look.line, marker=look.marker, markerfacecolor=face)
