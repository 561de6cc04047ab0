"""What figures share: their width, title and bytes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable

from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from PIL import Image

from robustbench_seg.report.style import settings

WIDTH = 10.4
"""Inches: the width of a full figure."""
_LONGEST_NAME = 44


def png(make: Callable[[], Figure | None]) -> bytes | None:
    """The figure as PNG, None where there is none; the same bytes for the same numbers and the same matplotlib."""
    drawn = full_png(make)
    return None if drawn is None else packed(drawn)


def full_png(make: Callable[[], Figure | None]) -> bytes | None:
    """The same with all its colours, for photographs."""
    drawn = io.BytesIO()
    with settings(), warnings.catch_warnings():
        # A model may be called in a script that the font lacks: boxes in a figure are no reason to fail.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = make()
        if figure is None:
            return None
        figure.savefig(drawn, format="png", metadata={"Software": None})
    return drawn.getvalue()


def packed(png: bytes, scale: float = 1.0) -> bytes:
    """The PNG with a palette of 256 colours, which nobody sees and which makes it a third as heavy, and scaled."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as image:
        whole = image.convert("RGB")
    size = [max(1, round(scale * length)) for length in whole.size]
    shown = whole if scale == 1 else whole.resize((size[0], size[1]), Image.Resampling.LANCZOS)
    shown.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG")
    return buffer.getvalue()


def titled(title: str, width: float = WIDTH) -> Figure:
    """An empty figure with a title on the left, as wide as it says in inches."""
    canvas = Figure(layout=ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.08))
    canvas.suptitle(short(title, int(width * 10.5)), x=0.012, ha="left", fontweight="bold", fontsize=11)
    return canvas


def short(name: str, longest: int = _LONGEST_NAME) -> str:
    """A name that fits, its middle left out if need be; a leading underscore would hide it from the legend."""
    shown = name if len(name) <= longest else f"{name[: longest // 2 - 1]}…{name[-longest // 2 + 1 :]}"
    return f" {shown}" if shown.startswith("_") else shown
