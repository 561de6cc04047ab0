"""The page of relationships: one self-contained HTML file, a pure function of the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robustbench_seg.report.cells import Line, Table, ratio_cell
from robustbench_seg.report.figures import FigureFile
from robustbench_seg.report.names import metric_name, task_name
from robustbench_seg.report.pictures import gallery
from robustbench_seg.report.relationships.agreement import model_table, norm_pairs, norm_sentence, radius_table
from robustbench_seg.report.relationships.asymmetry import BACKWARD, FORWARD, contrast_table
from robustbench_seg.report.relationships.figures import (
    bar_files,
    graph_files,
    heat_files,
    norm_files,
    radius_files,
    swap_files,
)
from robustbench_seg.report.relationships.findings import findings
from robustbench_seg.report.relationships.hiding import hiding_table
from robustbench_seg.report.relationships.matrix import Matrix, Setting, leading
from robustbench_seg.report.relationships.objectives import (
    SIDE_NAMES,
    SIDES,
    group,
    kind,
    objective_name,
    ordered_tasks,
)
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.relationships.swapping import Swap, shape_sentence, swap_table
from robustbench_seg.report.rendering import environment
from robustbench_seg.report.tables import targets
from robustbench_seg.results.rows import Row, unique

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Part:
    """A heading with sentences, figures and tables; `more` are tables folded away, as is all of it if not `is_open`."""

    title: str
    figures: Sequence[FigureFile] = ()
    tables: Sequence[Table] = ()
    more: Sequence[Table] = ()
    sentences: Sequence[str] = ()
    is_open: bool = True


def page(study: Study, title: str) -> tuple[str, list[FigureFile]]:
    """The page as HTML, and the figures that stand in it."""
    matrices, bars, graphs = heat_files(study), bar_files(study), graph_files(study)
    norms, radii, shapes = norm_files(study), radius_files(study.families), swap_files(study.swaps)
    html = (
        environment(_TEMPLATES)
        .get_template("relationships.html.j2")
        .render(
            title=title,
            info=study.info,
            notes=[*study.notes, *study.info.get("notes", [])],
            tasks=_tasks(study),
            findings=findings(study),
            matrices=_matrix_parts(study, matrices),
            bars=bars,
            hidings=[hiding_table(one) for one in study.shown_hidings],
            other_hidings=[hiding_table(one) for one in study.hidings if one not in study.shown_hidings],
            swaps=_swap_parts(study, shapes),
            targets=targets([row for row in study.outcomes if row.objective.startswith("swap:")]),
            gallery=gallery(study.panels),
            graphs=graphs,
            directions=contrast_table(
                "Mean lost share of the clean performance, by direction", study.directions(), (FORWARD, BACKWARD)
            ),
            other_directions=contrast_table(
                "Mean lost share by direction, at the other radii", study.other_directions(), (FORWARD, BACKWARD)
            ),
            cohesions=contrast_table(
                "Mean lost share of the other tasks, by group", study.cohesions(), ("same group", "other group")
            ),
            norms=norms,
            norm_sentences=[norm_sentence(*pair) for pair in norm_pairs(study.families)],
            agreements=[one for one in (model_table(study.families), radius_table(study.families)) if one],
            radii=radii,
        )
    )
    return html, [*matrices, *bars, *shapes, *graphs, *norms, *radii]


def matrix_table(matrix: Matrix) -> Table:
    """Objectives by tasks: Q, its interval and the attacked value."""
    clean = {row.task: row for row in matrix.cells.values() if row.clean is not None}
    heads = tuple(_head(task, clean.get(task)) for task in matrix.tasks)
    sides = [group(task) for task in matrix.tasks]
    spans = tuple((SIDE_NAMES[side], sides.count(side)) for side in SIDES if side in sides)
    lines = [
        Line(objective_name(one), kind(one), tuple(ratio_cell(matrix.cell(one, task)) for task in matrix.tasks))
        for one in matrix.objectives
    ]
    caption = f"{matrix.setting.where}, {matrix.setting.at(matrix.epsilon)}"
    return Table(caption, "attacked", heads, tuple(lines), spans)


def _head(task: str, row: Row | None) -> str:
    return task_name(task) if row is None else f"{task_name(task)}, {metric_name(row.metric)}"


def _matrix_parts(study: Study, figures: Sequence[FigureFile]) -> list[Part]:
    """A part a setting; attacks that are not the foremost of their model and data set are folded."""
    foremost = {family.setting for family in leading(study.families)}
    return [
        Part(
            f"{family.setting.where}, {family.setting.how}",
            _at(figures, (family.setting.where, family.setting.how)),
            [matrix_table(family.chosen)],
            [matrix_table(matrix) for matrix in family.others],
            is_open=family.setting in foremost,
        )
        for family in study.families
    ]


def _swap_parts(study: Study, figures: Sequence[FigureFile]) -> list[Part]:
    return [
        Part(
            one.title,
            _at(figures, (one.setting.where, one.title)),
            [swap_table(one), *_side_effects(study, one)],
            sentences=[text for text in [shape_sentence(one, study.draws, study.outcomes)] if text],
        )
        for one in study.swaps
    ]


def _side_effects(study: Study, swap: Swap) -> list[Table]:
    """What the swap leaves of every task as a whole."""
    place = (*swap.setting, swap.epsilon, swap.objective)
    rows = {row.task: row for row in study.effects if (*_setting(row), row.epsilon, row.objective) == place}
    tasks = ordered_tasks(list(rows))
    line = Line("all classes", "", tuple(ratio_cell(rows[task]) for task in tasks))
    heads = tuple(_head(task, rows[task]) for task in tasks)
    return [Table("What the same attack leaves of every task", "over", heads, (line,))] if rows else []


def _setting(row: Row) -> Setting:
    return Setting(row.model, row.dataset, row.attack, row.norm)


def _at(figures: Sequence[FigureFile], place: tuple[str, str]) -> list[FigureFile]:
    return [figure for figure in figures if figure.place == place]


def _tasks(study: Study) -> list[tuple[str, str]]:
    """The measured tasks of each group, in words."""
    rows = {row.task: row for row in study.effects}
    found = []
    for side in SIDES:
        names = [
            f"{task_name(task)} ({metric_name(row.metric)}, {row.direction} is better)"
            for task, row in rows.items()
            if group(task) == side
        ]
        if names:
            found.append((SIDE_NAMES[side], ", ".join(unique(names))))
    return found
