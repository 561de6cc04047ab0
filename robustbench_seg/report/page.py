"""The page of a run: one self-contained HTML file, a pure function of the run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from robustbench_seg.report.cells import Table, joined
from robustbench_seg.report.costs import cost_tables
from robustbench_seg.report.differences.section import DifferencesSection
from robustbench_seg.report.figures import FigureFile
from robustbench_seg.report.finding import LEVELS
from robustbench_seg.report.headline import headlines
from robustbench_seg.report.names import task_name
from robustbench_seg.report.pictures import gallery
from robustbench_seg.report.rendering import environment
from robustbench_seg.report.sanity import verdict
from robustbench_seg.report.tables import hidden_classes, other_pivots, per_class, pivot, targets
from robustbench_seg.report.views import View
from robustbench_seg.results.rows import Row
from robustbench_seg.results.run import RunLike

_ICONS = {"fail": "✗", "warn": "!", "ok": "✓", "note": "i"}
_WORDS = {"fail": "failed", "warn": "to look at", "ok": "passed", "note": "note"}


@dataclass(frozen=True)
class Section:
    """One task on one data set: its figures and tables."""

    title: str
    anchor: str
    figures: Sequence[FigureFile]
    pivots: Sequence[Table]
    others: Sequence[Table]
    classes: Sequence[Table]


def page(
    run: RunLike,
    shown: Sequence[View],
    figures: Sequence[FigureFile],
    title: str,
    differences: DifferencesSection | None = None,
) -> str:
    """The page as HTML; `shown` are the run's views and `figures` their figures, `differences` those of its models."""
    table = run.rows
    metrics = {view.metric for view in shown}
    class_rows = [row for row in run.class_rows if row.metric in metrics]
    findings = verdict(run)
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            title=title,
            info=run.info,
            plain={key: value for key, value in run.info.items() if not isinstance(value, (dict, list))},
            nested={key: value for key, value in run.info.items() if isinstance(value, (dict, list))},
            facts=_facts(run.info),
            headlines=[sentence for view in shown for sentence in headlines(view)],
            findings=findings,
            counts={level: [finding.level for finding in findings].count(level) for level in LEVELS},
            icons=_ICONS,
            words=_WORDS,
            differences=differences,
            sections=[_section(i, view, figures, table, class_rows) for i, view in enumerate(shown)],
            targets=targets(table),
            hidden=hidden_classes(class_rows),
            gallery=gallery(run.panels()),
            costs=cost_tables(run.cost_rows),
        )
    )


def _section(
    index: int, view: View, figures: Sequence[FigureFile], table: Sequence[Row], class_rows: Sequence[Row]
) -> Section:
    classes = [per_class(view, class_rows, model) for model in view.models]
    return Section(
        title=f"{task_name(view.task).capitalize()} on {view.dataset}",
        anchor=f"task-{index}",
        figures=[figure for figure in figures if figure.place == (view.dataset, view.task)],
        pivots=[pivot(view, model) for model in view.models],
        others=other_pivots(table, view),
        classes=[one for one in classes if one],
    )


def _facts(info: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the head of the page says about a run; nothing where run.json does not know."""
    protocol = info.get("protocol", {})
    datasets = [
        f"{data['name']} ({joined([data.get('split') or '', str(data['n_images']) + ' images'])})"
        for data in info.get("datasets", [])
    ]
    commit = str(info.get("commit", ""))[:10]
    facts = {
        "models": ", ".join(str(model["name"]) for model in info.get("models", [])),
        "data": ", ".join(datasets),
        "protocol": " – ".join(text for text in (protocol.get("name"), protocol.get("summary")) if text),
        "device": info.get("device"),
        "seed": info.get("seed"),
        "robustseg": " ".join(str(text) for text in (info.get("version"), commit) if text),
        "made": info.get("created"),
        "runs": ", ".join(info.get("runs", {})),
    }
    return [(name, str(value)) for name, value in facts.items() if value not in (None, "")]
