"""Figures: what is drawn where, and that labels can be read."""

import itertools
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from robustbench_seg.report.relationships.bars import bars_figure
from robustbench_seg.report.relationships.effects import effects_of
from robustbench_seg.report.relationships.graph import graph_figure, influence
from robustbench_seg.report.relationships.heat import heat_figure
from robustbench_seg.report.relationships.matrix import Matrix, objective_sweeps
from robustbench_seg.report.style import settings
from tests.report.fake_five_tasks import Model, five_tasks


def chosen(folder: Path, *models: Model) -> Matrix:
    run = five_tasks(folder, models, norms=("linf",), with_panels=False)
    return objective_sweeps(effects_of(run.rows))[0].chosen


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


@pytest.mark.parametrize("tasks", [5, 2])
def test_labels_of_the_graph_do_not_overlap(tmp_path: Path, tasks: int) -> None:
    names = ("semantic", "depth", "detection", "instance", "instance_depth")[:tasks]
    matrix = chosen(tmp_path, Model("uninet", names))
    with settings():
        figure = graph_figure(matrix)
        assert figure is not None
        figure.draw_without_rendering()
        boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == tasks + tasks * (tasks - 1)
    assert not [pair for pair in itertools.combinations(boxes, 2) if pair[0].overlaps(pair[1])]


def test_edges_are_losses_above_the_threshold(tmp_path: Path) -> None:
    matrix = chosen(tmp_path, Model("pair", ("semantic", "depth"), {("depth", "semantic"): 0.01}))
    graph = influence(matrix)
    assert list(graph.edges) == [("semantic", "depth")]
    assert graph.edges["semantic", "depth"]["drop"] == pytest.approx(1 - (matrix.ratio("semantic", "depth") or 0))
    assert len(influence(matrix, threshold=0.0).edges) == 2


def test_heat_map_has_every_number_once_and_dashes_for_missing(tmp_path: Path) -> None:
    matrix = chosen(tmp_path, Model("pair", ("semantic", "depth")))
    cells = {pair: row for pair, row in matrix.cells.items() if pair != ("depth", "semantic")}
    with settings():
        shown = texts(heat_figure([Matrix(matrix.setting, 1.0, cells)], "t"))
    numbers = sorted(text for text in shown if text.count(".") == 1)
    assert numbers == sorted(f"{row.ratio:.2f}" for row in cells.values())
    assert shown.count("–") == 1


def test_bars_have_one_panel_per_kind_of_loss_and_heights_of_the_matrix(tmp_path: Path) -> None:
    matrix = chosen(tmp_path, Model("uninet"))
    with settings():
        figure = bars_figure(matrix)
    assert figure is not None
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles == ["(a) losses of several tasks", "(b) tasks' own losses", "(c) single raw losses"]
    heights = [bar.get_height() for bar in figure.axes[1].patches if bar.get_y() == 0 and bar.get_width() < 0.5]
    wanted = [matrix.ratio(one, task) for one in ("group:all", *matrix.attacked_tasks) for task in matrix.tasks]
    assert heights == pytest.approx(wanted)
