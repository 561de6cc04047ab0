"""What a page is made of: the run behind it, and sections with a title, a few words, figures and tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from matplotlib.figure import Figure

from robustbench_seg.report.canvas import packed, png
from robustbench_seg.report.cells import Table
from robustbench_seg.report.pictures import PictureSet
from robustbench_seg.report.views import View, views
from robustbench_seg.results.differences import Comparison
from robustbench_seg.results.findings import Finding
from robustbench_seg.results.gains import Gains
from robustbench_seg.results.rows import unique
from robustbench_seg.results.run import Run

FIGURE_BYTES = 1_800_000
"""What the figures of a page may weigh together, as they stand in the HTML."""
_SMALLER = 0.8


@dataclass(frozen=True)
class Material:
    """A run, or several as one; `compared` and `gains` where models of several runs are."""

    run: Run
    compared: Comparison | None = None
    gains: Gains = field(default_factory=Gains)

    @cached_property
    def views(self) -> Sequence[View]:
        """What is shown together, by data set and task."""
        return views(self.run.rows)

    @cached_property
    def caveats(self) -> Sequence[str]:
        """What a reader must know of the attacks, as the runs' protocols say."""
        infos = (self.run.info, *self.run.info.get("runs", {}).values())
        return unique([text for info in infos for text in info.get("protocol", {}).get("caveats", [])])


class FigureFile(NamedTuple):
    """A figure: the name of its file, its caption, and the PNG."""

    name: str
    caption: str
    png: bytes


@dataclass(frozen=True)
class Part:
    """Figures and tables under a heading; `folded` tables, of other ε, are folded away, as is all if not `is_open`."""

    title: str = ""
    figures: Sequence[FigureFile] = ()
    tables: Sequence[Table] = ()
    folded: Sequence[Table] = ()
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
    """A figure to be drawn: what distinguishes its file, its caption, and what makes it (None: nothing to draw)."""

    name: str
    caption: str
    make: Callable[[], Figure | None]


def drawn(kind: str, drawings: Sequence[Drawing]) -> list[list[FigureFile]]:
    """The file of each drawing, no file where there is nothing to draw."""
    stems = _stems([drawing.name for drawing in drawings])
    files = [
        FigureFile(f"{kind}_{stem}.png", drawing.caption, png(drawing.make) or b"")
        for stem, drawing in zip(stems, drawings, strict=True)
    ]
    return [[file] if file.png else [] for file in files]


def _stems(names: Sequence[str]) -> list[str]:
    """File names for names, distinct even where they differ in special characters only."""
    plain = [re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._") or "figure" for name in names]
    return [stem if plain.count(stem) == 1 else f"{stem}_{i}" for i, stem in enumerate(plain)]


def lightened(sections: Sequence[Section], most_bytes: int = FIGURE_BYTES) -> list[Section]:
    """The sections for a page: where their figures are too heavy together, all are scaled down by one factor.

    Their files keep their size.
    """
    pngs = {file.png: file.png for section in sections for part in section.parts for file in part.figures}
    scale = 1.0
    while 4 * sum(map(len, pngs.values())) > 3 * most_bytes:
        scale *= _SMALLER
        pngs = {png: packed(png, scale) for png in pngs}
    return [replace(section, parts=[_with_pngs(part, pngs) for part in section.parts]) for section in sections]


def _with_pngs(part: Part, pngs: Mapping[bytes, bytes]) -> Part:
    return replace(part, figures=[file._replace(png=pngs[file.png]) for file in part.figures])
