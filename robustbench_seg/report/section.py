"""Sections of a page: a title, a few words, and parts with figures and tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from matplotlib.figure import Figure

from robustbench_seg.report.canvas import png
from robustbench_seg.report.cells import Table
from robustbench_seg.report.figures import FigureFile, file_stems
from robustbench_seg.report.finding import Finding
from robustbench_seg.report.pictures import PictureSet


@dataclass(frozen=True)
class Part:
    """Figures and tables under a heading; `folded` tables are folded away as `fold`, as is all if not `is_open`."""

    title: str = ""
    figures: Sequence[FigureFile] = ()
    tables: Sequence[Table] = ()
    folded: Sequence[Table] = ()
    fold: str = "At the other ε"
    pictures: Sequence[PictureSet] = ()
    is_open: bool = True


@dataclass(frozen=True)
class Section:
    """A section of the page; `short` is its name in the list at the top, `intro` the paragraphs it starts with.

    `notes` are listed under them, `findings` with their icons, `trees` as nested tables that are folded away.
    """

    anchor: str
    short: str
    title: str
    intro: Sequence[str] = ()
    parts: Sequence[Part] = ()
    notes: Sequence[str] = ()
    findings: Sequence[Finding] = ()
    trees: Mapping[str, object] = field(default_factory=dict)


class Drawing(NamedTuple):
    """A figure to be drawn: what tells its file apart, its caption, and what makes it (None: nothing to draw)."""

    name: str
    caption: str
    make: Callable[[], Figure | None]


def drawn(kind: str, drawings: Sequence[Drawing]) -> list[list[FigureFile]]:
    """The file of each drawing, no file where there is nothing to draw."""
    files = []
    for stem, drawing in zip(file_stems([one.name for one in drawings]), drawings, strict=True):
        picture = png(drawing.make)
        name = f"{kind}_{stem}.png"
        files.append([FigureFile(name, ("", ""), drawing.caption, picture)] if picture else [])
    return files
