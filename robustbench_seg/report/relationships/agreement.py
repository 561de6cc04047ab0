"""How alike relationships are: between models, between norms, and over ε, by Spearman's rank correlation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from robustbench_seg.report.cells import DASH, Cell, Line, Table, text_cells
from robustbench_seg.report.curves import AXES, Panel, Plot, Point
from robustbench_seg.report.curves import Line as Curve
from robustbench_seg.report.draw import figure
from robustbench_seg.report.relationships.heat import heat_figure
from robustbench_seg.report.relationships.matrix import Matrix, Sweep
from robustbench_seg.report.relationships.objectives import described, is_own
from robustbench_seg.report.relationships.study import Study
from robustbench_seg.report.section import Drawing, Part, Section, drawn
from robustbench_seg.report.style import looks
from robustbench_seg.results.names import epsilon_text, norm_name, perturbation_name, strength, task_name
from robustbench_seg.results.rows import Row, unique

FEWEST = 4
"""Fewer common cells than this say nothing about an order."""

_HEADS = ("other tasks than the attacked", "all cells")


def norm_section(study: Study) -> Section | None:
    """What changes between two norms of one attack: a row and a figure per pair of matrices."""
    pairs = norm_pairs(study.sweeps)
    text = "Two norms side by side, retained performance of each task."
    drawings = [
        Drawing(
            "_".join(pair[1].setting),
            f"{pair[1].title}. {text}",
            partial(heat_figure, pair, f"{pair[0].setting.where}: {_attack(pair[0])}"),
        )
        for pair in pairs
    ]
    figures = [file for files in drawn("relationships_norms", drawings) for file in files]
    intro = (
        "Two L∞ perturbations of one ε can differ in power; in RMS they cannot. Where an attack ran in both norms, "
        "this is what changes."
    )
    parts = [Part(figures=figures, tables=[norm_table(pairs)])]
    title = "The same at equal signal-to-noise ratio"
    return Section("norms", "Equal SNR", title, [intro], parts) if pairs else None


def section(study: Study) -> Section | None:
    """Rank correlations between models and over ε."""
    tables = [table for table in (model_table(study.sweeps), epsilon_table(study.sweeps)) if table]
    caption = (
        "Rank correlation of the matrix at each ε with that at the reference (where it is 1), over tasks that were not "
        "attacked."
    )
    (figures,) = drawn("relationships_agreement", [Drawing("epsilon", caption, partial(epsilon_figure, study.sweeps))])
    intro = (
        "Spearman's rank correlation over the cells that both matrices have (n): 1 means that the same effects are "
        "the largest, 0 that there is nothing in common. Fewer than four common cells are too few to say."
    )
    parts = [Part(figures=figures, tables=tables)]
    return Section("agreement", "Agreement", "Agreement", [intro], parts) if tables else None


@dataclass(frozen=True)
class Agreement:
    """Spearman's rank correlation over n common cells; None with too few of them, or where all are equal."""

    rho: float | None
    n: int

    def text(self) -> str:
        """`0.83 (n = 12)`, or why there is none."""
        if self.n < FEWEST:
            return f"too few (n = {self.n})"
        return f"no order (n = {self.n})" if self.rho is None else f"{self.rho:.2f} (n = {self.n})"


def common(first: Matrix, second: Matrix, keep: Callable[[str, str], bool]) -> list[tuple[Row, Row]]:
    """The cells with a ratio in both matrices, of the (objective, task) to be kept."""
    return [
        (row, other)
        for objective in first.objectives
        for task in first.tasks
        if keep(objective, task)
        and (row := first.known(objective, task)) is not None
        and (other := second.known(objective, task)) is not None
    ]


def agreement(first: Matrix, second: Matrix, off_diagonal: bool) -> Agreement:
    """The agreement of two matrices, over all common cells or over those of tasks that were not attacked."""
    pairs = common(first, second, lambda objective, task: not (off_diagonal and is_own(objective, task)))
    return Agreement(spearman([a.ratio or 0.0 for a, _ in pairs], [b.ratio or 0.0 for _, b in pairs]), len(pairs))


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's rank correlation, ties at their mean rank; None below `FEWEST` values or without spread."""
    if len(first) < FEWEST or min(np.ptp(first), np.ptp(second)) == 0:
        return None
    return float(spearmanr(first, second).statistic)


def norm_pairs(sweeps: Sequence[Sweep]) -> list[tuple[Matrix, Matrix]]:
    """Matrices of one model, data set and attack in two norms, at the ε shown first; the first norm first."""
    pairs = itertools.combinations([sweep.chosen for sweep in sweeps], 2)
    return [(a, b) for a, b in pairs if a.setting[:3] == b.setting[:3] and a.setting.norm != b.setting.norm]


def norm_table(pairs: Sequence[tuple[Matrix, Matrix]]) -> Table:
    """The rank correlations of two norms, and the cell that changes most."""
    lines = [
        Line(
            first.setting.where,
            f"{_attack(first)}, {_norm(first)} and {_norm(second)}",
            (*_both(first, second), _largest(first, second)),
        )
        for first, second in pairs
    ]
    caption = "Spearman's rank correlation of the matrices in two norms, and the cell that changes most"
    return Table(caption, "model", (*_HEADS, "largest change"), tuple(lines))


def _largest(first: Matrix, second: Matrix) -> Cell:
    pairs = common(first, second, lambda objective, task: True)
    if not pairs:
        return Cell(DASH)
    a, b = max(pairs, key=lambda pair: abs((pair[1].ratio or 0.0) - (pair[0].ratio or 0.0)))
    spans = (f"[{row.low:.3f}, {row.high:.3f}]" for row in (a, b))
    what = f"{task_name(a.task)} under {described(a.objective).title}"
    return Cell(f"Q {a.ratio:.3f} → {b.ratio:.3f}", (" → ".join(spans), what))


def model_table(sweeps: Sequence[Sweep]) -> Table | None:
    """Every two models under the same attack at every ε both have."""
    lines = []
    for first, second in itertools.combinations(sweeps, 2):
        if first.setting.model == second.setting.model or first.setting[1:] != second.setting[1:]:
            continue
        others = {matrix.epsilon: matrix for matrix in second.matrices}
        names = f"{first.setting.model} and {second.setting.model}"
        lines += [
            Line(names, f"{first.setting.dataset}, {matrix.how}", _both(matrix, others[matrix.epsilon]))
            for matrix in first.matrices
            if matrix.epsilon in others
        ]
    caption = "Spearman's rank correlation of the matrices of two models"
    return Table(caption, "models", _HEADS, tuple(lines)) if lines else None


def epsilon_table(sweeps: Sequence[Sweep]) -> Table | None:
    """Every matrix against that of the ε shown first, over the tasks that were not attacked."""
    chosen = [sweep for sweep in sweeps if sweep.others]
    grid = sorted({matrix.epsilon for sweep in chosen for matrix in sweep.matrices if matrix.epsilon})
    lines = []
    for sweep in chosen:
        texts = {matrix.epsilon: agreement(matrix, sweep.chosen, off_diagonal=True).text() for matrix in sweep.matrices}
        texts[sweep.chosen.epsilon] = "reference"
        reference = f"{sweep.setting.how}, reference ε = {epsilon_text(sweep.chosen.epsilon)}"
        lines.append(Line(sweep.setting.where, reference, text_cells(*(texts.get(epsilon, "") for epsilon in grid))))
    caption = "Spearman's rank correlation with the matrix at the reference ε, over tasks that were not attacked"
    return Table(caption, "ε", tuple(map(epsilon_text, grid)), tuple(lines)) if lines else None


def epsilon_figure(sweeps: Sequence[Sweep]) -> Figure | None:
    """The same as curves, a panel per data set and attack, a line per model; None without three ε anywhere."""
    points = [(sweep, _points(sweep)) for sweep in sweeps]
    curves = [(sweep, known) for sweep, known in points if len(known) > 2]
    styles = looks(unique([sweep.setting.model for sweep, _ in curves]))
    panels: dict[str, list[Curve]] = {}
    for sweep, known in curves:
        lines = panels.setdefault(f"{sweep.setting.dataset}, {sweep.setting.how}", [])
        lines.append(Curve(known, styles[sweep.setting.model]))
    shown = [Panel(title, lines) for title, lines in panels.items()]
    title = "Does the order of the effects depend on ε?"
    return figure(Plot(title, "rank correlation", shown, styles, AXES[0])) if shown else None


def _points(sweep: Sweep) -> list[Point]:
    """The rank correlation with the reference at each ε that has one."""
    return [
        Point(matrix.epsilon, rho)
        for matrix in sweep.matrices
        if matrix.epsilon and (rho := agreement(matrix, sweep.chosen, off_diagonal=True).rho) is not None
    ]


def _both(first: Matrix, second: Matrix) -> tuple[Cell, ...]:
    return text_cells(*(agreement(first, second, off_diagonal).text() for off_diagonal in (True, False)))


def _attack(matrix: Matrix) -> str:
    return perturbation_name(matrix.setting.attack, "")


def _norm(matrix: Matrix) -> str:
    return f"{norm_name(matrix.setting.norm)} {strength(matrix.epsilon)}"
