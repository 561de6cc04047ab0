"""The page of a run: one self-contained HTML file, a pure function of the run. A new section is a line in SECTIONS."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from robustbench_seg.report import corruptions, differences, gains, headline, sections
from robustbench_seg.report.rendering import environment
from robustbench_seg.report.section import FigureFile, Material, Section, lightened
from robustbench_seg.results.findings import LEVELS

SECTIONS: Sequence[Callable[[Material], Sequence[Section]]] = (
    headline.section,
    sections.reading,
    sections.sanity,
    gains.section,
    differences.section,
    sections.tasks,
    corruptions.section,
    sections.targeted,
    sections.pictures,
    sections.costs,
    sections.provenance,
)
"""The sections of the page in their order; each gives none where it has nothing to show."""


def page(material: Material, title: str) -> tuple[str, list[FigureFile]]:
    """The page as HTML, and the figures that stand in it."""
    shown = [section for make in SECTIONS for section in make(material)]
    levels = [finding.level for finding in material.run.findings]
    badges = [(level, *LEVELS[level], levels.count(level)) for level in LEVELS if level != "note"]
    template = environment().get_template("report.html.j2")
    html = template.render(title=title, facts=_facts(material), badges=badges, sections=lightened(shown))
    return html, [file for section in shown for part in section.parts for file in part.figures]


def _images(data: Mapping[str, Any]) -> str:
    """How many images were used of a data set, and of how many where that is a part."""
    used, there = data["n_images"], data.get("n_in_split", 0)
    return f"{used} of {there} images" if used < there else f"{used} images"


def _facts(material: Material) -> list[tuple[str, str]]:
    """What the head of the page says about a run; nothing where run.json does not know."""
    info = material.run.info
    protocol = info.get("protocol", {})
    datasets = [
        f"{data['name']} ({', '.join(filter(None, (data.get('split'), _images(data))))})"
        for data in info.get("datasets", [])
    ]
    commit = str(info.get("commit", ""))[:10]
    facts = {
        "models": ", ".join(str(model["name"]) for model in info.get("models", [])),
        "data": ", ".join(datasets),
        "protocol": " – ".join(text for text in (protocol.get("name"), protocol.get("summary")) if text),
        "note": "; ".join(material.caveats),
        "device": info.get("device"),
        "seed": info.get("seed"),
        "robustseg": " ".join(str(text) for text in (info.get("version"), commit) if text),
        "made": info.get("created"),
        "runs": ", ".join(info.get("runs", {})),
    }
    return [(name, str(value)) for name, value in facts.items() if value not in (None, "")]
