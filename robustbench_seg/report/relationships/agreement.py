"""How alike relationships are: between models, between norms, and over the radius."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.cells import Line, Table, text_cells
from robustbench_seg.report.names import NORMS, epsilon_text, strength
from robustbench_seg.report.relationships.matrix import Family, Matrix
from robustbench_seg.report.relationships.rank import agreement
from robustbench_seg.report.style import Look, looks
from robustbench_seg.results.rows import unique

_HEADS = ("other tasks than the attacked", "all cells")
_COLUMNS = 3
_CURVE = "curve"


def norm_pairs(families: Sequence[Family]) -> list[tuple[Matrix, Matrix]]:
    """Matrices of one model, data set and attack in two norms, at the radii shown first; the first norm first."""
    found = []
    for first, second in itertools.combinations(families, 2):
        a, b = first.setting, second.setting
        if a[:3] == b[:3] and a.norm != b.norm:
            found.append((first.chosen, second.chosen))
    return found


def norm_sentence(first: Matrix, second: Matrix) -> str:
    """What changes from one norm to another."""
    names = [NORMS.get(matrix.setting.norm, matrix.setting.norm) for matrix in (first, second)]
    ours = f"{first.setting.where}, {first.setting.at(first.epsilon)}"
    text = f"{ours}, against {names[1]} {strength(second.epsilon)}: the rank correlation of the two matrices is "
    text += f"{agreement(first, second, off_diagonal=False).text()}, and "
    text += f"{agreement(first, second, off_diagonal=True).text()} over the tasks that were not attacked"
    moved = _largest_change(first, second)
    return f"{text}. {moved}" if moved else f"{text}."


def _largest_change(first: Matrix, second: Matrix) -> str:
    shared = [
        (abs(b.ratio - a.ratio), a, b)
        for objective in first.objectives
        for task in first.tasks
        if (a := first.known(objective, task))
        and (b := second.known(objective, task))
        and a.ratio is not None
        and b.ratio is not None
    ]
    if not shared:
        return ""
    _, a, b = max(shared, key=lambda change: change[0])
    return (
        f"The largest change is that of {a.task} under the loss {a.objective}: Q {a.ratio:.3f} "
        f"[{a.low:.3f}, {a.high:.3f}] against {b.ratio:.3f} [{b.low:.3f}, {b.high:.3f}]."
    )


def model_table(families: Sequence[Family]) -> Table | None:
    """Every two models under the same attack at every radius both have."""
    lines = []
    for first, second in itertools.combinations(families, 2):
        if first.setting.model == second.setting.model or first.setting[1:] != second.setting[1:]:
            continue
        others = {matrix.epsilon: matrix for matrix in second.matrices}
        for matrix in first.matrices:
            if matrix.epsilon in others:
                how = f"{first.setting.dataset}, {first.setting.at(matrix.epsilon)}"
                names = f"{first.setting.model} and {second.setting.model}"
                lines.append(Line(names, how, text_cells(*_both(matrix, others[matrix.epsilon]))))
    caption = "Spearman's rank correlation of the matrices of two models"
    return Table(caption, "models", _HEADS, tuple(lines)) if lines else None


def radius_table(families: Sequence[Family]) -> Table | None:
    """Every matrix against that of the radius shown first, over the tasks that were not attacked."""
    chosen = [family for family in families if family.others]
    radii = sorted({matrix.epsilon for family in chosen for matrix in family.matrices if matrix.epsilon})
    lines = []
    for family in chosen:
        found = {matrix.epsilon: matrix for matrix in family.matrices}
        texts = [_against(family, found.get(epsilon)) for epsilon in radii]
        reference = f"{family.setting.how}, reference ε = {epsilon_text(family.chosen.epsilon)}"
        lines.append(Line(family.setting.where, reference, text_cells(*texts)))
    caption = "Spearman's rank correlation with the matrix at the reference ε, over tasks that were not attacked"
    return Table(caption, "ε in grey values", tuple(map(epsilon_text, radii)), tuple(lines)) if lines else None


def radius_figure(families: Sequence[Family]) -> Figure | None:
    """The same as curves, a panel a data set and attack, a line a model; None without three radii anywhere."""
    chosen = [family for family in families if len(_points(family)) > 2]
    panels: dict[tuple[str, str], list[Family]] = {}
    for family in chosen:
        panels.setdefault((family.setting.dataset, family.setting.how), []).append(family)
    if not panels:
        return None
    styles = looks(unique([family.setting.model for family in chosen]))
    columns = min(_COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    canvas = titled("Does the order of the effects depend on ε?")
    canvas.set_size_inches(WIDTH, 2.4 * lines + 0.9)
    grid = canvas.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    for axes, ((dataset, how), group) in zip(grid.flat, panels.items(), strict=False):
        axes.set_title(f"{dataset}, {how}", pad=7)
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
        axes.set_ylim(min(-0.05, *(np.min(list(_points(family).values())) - 0.05 for family in group)), 1.05)
        axes.set_xlabel("ε (grey values); large: reference")
        axes.xaxis.set_tick_params(labelbottom=True)
        for family in group:
            _draw(axes, family, styles)
    for axes in list(grid.flat)[len(panels) :]:
        axes.remove()
    canvas.supylabel("rank correlation", fontsize=9)
    handles = {line.get_label(): line for axes in canvas.axes for line in axes.lines if line.get_gid() == _CURVE}
    canvas.legend(handles.values(), map(str, handles), loc="outside lower center", ncols=3)
    return canvas


def _draw(axes: Axes, family: Family, styles: Mapping[str, Look]) -> None:
    look, points = styles[family.setting.model], _points(family)
    face = "white" if look.is_hollow else look.colour
    (line,) = axes.plot(list(points), list(points.values()), color=look.colour, linestyle=look.line)
    line.set(marker=look.marker, markerfacecolor=face, label=family.setting.model, gid=_CURVE)
    if family.chosen.epsilon in points:
        (sign,) = axes.plot(family.chosen.epsilon, 1.0, color=look.colour, linestyle="")
        sign.set(marker=look.marker, markerfacecolor=face, markersize=9)


def _points(family: Family) -> dict[float, float]:
    """The rank correlation with the reference at each radius that has one."""
    return {
        matrix.epsilon: rho
        for matrix in family.matrices
        if matrix.epsilon and (rho := agreement(matrix, family.chosen, off_diagonal=True).rho) is not None
    }


def _against(family: Family, matrix: Matrix | None) -> str:
    if matrix is None:
        return ""
    return "reference" if matrix is family.chosen else agreement(matrix, family.chosen, off_diagonal=True).text()


def _both(first: Matrix, second: Matrix) -> tuple[str, str]:
    return agreement(first, second, off_diagonal=True).text(), agreement(first, second, off_diagonal=False).text()
