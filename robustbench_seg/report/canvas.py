"""What figures share: their width, title and bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from robustbench_seg.report.legend import short
from robustbench_seg.report.style import settings

WIDTH = 10.4
"""Inches: the width of a full figure."""


def png(make: Callable[[], Figure | None]) -> bytes | None:
    """The figure as PNG, None where there is none; the same bytes for the same numbers and the same matplotlib."""
    buffer = io.BytesIO()
    with settings(), warnings.catch_warnings():
        # A model may be called in a script that the font lacks: boxes in a figure are no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = make()
        if figure is None:
            return None
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def titled(title: str, width: float = WIDTH) -> Figure:
    """An empty figure with a title on the left, as wide as it says in inches."""
    canvas = Figure(layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.08))
    canvas.suptitle(short(title, int(width * 10.5)), x=0.012, ha="left", fontweight="bold", fontsize=11)
    return canvas
