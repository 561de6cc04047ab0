"""Before and after a swap of two classes, a panel a metric (UniNet 2021, figure 5)."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.names import class_metric_name
from robustbench_seg.report.relationships.canvas import SHADES
from robustbench_seg.report.relationships.objectives import GEOMETRIC, SEMANTIC
from robustbench_seg.report.relationships.swapping import SHAPE, Swap

_BEFORE, _AFTER = "#9ecae1", "#08519c"


def swap_figure(swap: Swap) -> Figure | None:
    """Bars of both classes before and after; mean shapes have a line at 1. None for a single metric."""
    if len(swap.metrics) < 2:
        return None
    canvas = titled(swap.title)
    canvas.set_size_inches(max(4.6, WIDTH * len(swap.metrics) / 4), 2.9)
    for letter, axes, metric in zip(
        "abcde", canvas.subplots(1, len(swap.metrics), squeeze=False)[0], swap.metrics, strict=False
    ):
        axes.set_title(f"({letter}) {class_metric_name(metric)}", pad=7)
        _draw(axes, swap, metric)
        if metric == SHAPE:
            _mark_square(axes)
    handles, names = canvas.axes[0].get_legend_handles_labels()
    canvas.legend(handles, names, loc="outside right upper")
    return canvas


def _draw(axes: Axes, swap: Swap, metric: str) -> None:
    for at, label in enumerate(swap.labels):
        row = swap.cells[label, metric]
        for offset, value, colour, name in ((-0.2, row.clean, _BEFORE, "before"), (0.2, row.value, _AFTER, "after")):
            if value is None:
                axes.text(at + offset, 0, "–", ha="center", va="bottom", color="#777777")
                continue
            axes.bar(at + offset, value, 0.36, color=colour, label=name if at == 0 else None, zorder=2)
            axes.text(at + offset, value, f"{value:.2f}", ha="center", va="bottom", fontsize=7.5, zorder=4)
    axes.set_xticks(range(len(swap.labels)), swap.labels)
    axes.set_xlim(-0.5, len(swap.labels) - 0.5)
    axes.margins(y=0.12)


def _mark_square(axes: Axes) -> None:
    """The line between upright and wide boxes, and what lies on either side of it."""
    top = max(1.3, axes.get_ylim()[1])
    axes.set_ylim(0, top)
    axes.axhspan(0, 1, color=SHADES[SEMANTIC], linewidth=0, zorder=0)
    axes.axhspan(1, top, color=SHADES[GEOMETRIC], linewidth=0, zorder=0)
    axes.axhline(1, color="#1a1a1a", linewidth=1, zorder=3)
