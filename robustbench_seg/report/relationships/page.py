"""The page of relationships: one self-contained HTML file, a pure function of the study."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from robustbench_seg.report.pictures import gallery
from robustbench_seg.report.relationships import agreement, bars, findings, graph, heat, hiding, swapping
from robustbench_seg.report.relationships.objectives import SIDE_NAMES, SIDES, group
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.rendering import environment
from robustbench_seg.report.section import FigureFile, Part, Section, lightened
from robustbench_seg.results.names import metric_name, task_name

_TEMPLATES = Path(__file__).parent / "templates"


def pictures(study: Study) -> Section | None:
    """Images with what was predicted, those of the first image open."""
    parts = [
        Part(image, pictures=sets, is_open=i == 0) for i, (image, sets) in enumerate(gallery(study.panels).items())
    ]
    intro = "Each perturbation is amplified to the same contrast, so a weak one looks as strong as a strong one."
    return Section("pictures", "Pictures", "Pictures", [intro], parts) if parts else None


SECTIONS: Sequence[Callable[[Study], Section | None]] = (
    findings.section,
    heat.section,
    bars.section,
    hiding.section,
    swapping.section,
    pictures,
    graph.section,
    findings.asymmetry_section,
    agreement.norm_section,
    agreement.section,
)
"""The sections of the page in their order; one that has nothing to show is skipped."""


def page(study: Study, title: str) -> tuple[str, list[FigureFile]]:
    """The page as HTML, and the figures that stand in it."""
    sections = [section for make in SECTIONS if (section := make(study))]
    html = (
        environment(_TEMPLATES)
        .get_template("relationships.html.j2")
        .render(
            title=title,
            intervals=study.info.get("intervals", {}),
            notes=[*study.notes, *study.info.get("notes", [])],
            tasks=_tasks(study),
            sections=lightened(sections),
        )
    )
    return html, [figure for section in sections for part in section.parts for figure in part.figures]


def _tasks(study: Study) -> list[tuple[str, str]]:
    """The measured tasks of each group, in words."""
    names: dict[str, dict[str, None]] = {side: {} for side in SIDES}
    for row in study.effects:
        text = f"{task_name(row.task)} ({metric_name(row.task, row.metric)}, {row.direction} is better)"
        names[group(row.task)][text] = None
    return [(SIDE_NAMES[side], ", ".join(texts)) for side, texts in names.items() if texts]
