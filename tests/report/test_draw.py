import math
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from robustbench_seg.report import draw
from robustbench_seg.report.canvas import png
from robustbench_seg.report.curves import AXES, by_perturbation, overview
from robustbench_seg.report.draw import entries
from robustbench_seg.report.style import colours, looks, settings
from robustbench_seg.report.views import View, views
from tests.report.fake_run import GRID, FakeRun

EPSILON, SNR = AXES
MODELS = ["street-mobilenetv2", "street-multitask"]
STYLES = looks(MODELS)


@pytest.fixture(scope="module")
def semantic(run: FakeRun) -> View:
    return views(run.rows)[0]


def drawn(plot):
    with settings():
        figure = draw.figure(plot)
        figure.draw_without_rendering()
    return figure


def picture(plot):
    return png(lambda: draw.figure(plot))


def test_points_are_the_numbers_of_the_summary(run: FakeRun, semantic: View) -> None:
    figure = drawn(overview(semantic, EPSILON, STYLES))
    table = run.summary.query("model == 'street-mobilenetv2' and attack == 'pgd' and metric == 'miou'")
    colour = colours(semantic.curves(own=True))["PGD"]
    lines = [line for line in figure.axes[0].lines if to_hex(line.get_color()) == colour]
    assert list(lines[0].get_xdata()) == list(GRID)
    assert list(lines[0].get_ydata()) == pytest.approx(table["ratio"].tolist())
    fills = [fill for fill in figure.axes[0].collections if len(fill.get_facecolor())]
    bands = [fill for fill in fills if to_hex(fill.get_facecolor()[0]) == colour]
    low = bands[0].get_paths()[0].vertices[:, 1].min()
    assert low == pytest.approx(table["ratio_low"].min())


def test_epsilon_axis_is_octaves_and_q_starts_at_zero(semantic: View) -> None:
    axes = drawn(overview(semantic, EPSILON, STYLES)).axes[0]
    assert list(axes.get_xticks()) == [0.25, 0.5, 1, 2, 4, 8, 16]
    assert axes.get_xscale() == "log"
    assert axes.get_ylim() == (0, 1.05)


def test_snr_axis_runs_from_weak_to_strong(semantic: View) -> None:
    axes = drawn(overview(semantic, SNR, STYLES)).axes[0]
    left, right = axes.get_xlim()
    assert left > right
    assert axes.get_xscale() == "linear"


def test_q_above_one_stays_in_sight(semantic: View) -> None:
    above = [replace(row, ratio=1.3, ratio_high=1.4) if row.attack == "pgd" else row for row in semantic.rows]
    figure = drawn(overview(replace(semantic, rows=tuple(above)), EPSILON, STYLES))
    assert figure.axes[0].get_ylim()[1] > 1.4


def test_a_failed_cell_is_a_gap_with_a_cross(semantic: View) -> None:
    figure = drawn(overview(semantic, EPSILON, STYLES))
    fgsm = colours(semantic.curves(own=True))["FGSM"]
    lines = [line for line in figure.axes[1].lines if to_hex(line.get_color()) == fgsm]
    assert math.isnan(lines[0].get_ydata()[5])
    crosses = [line for line in lines if line.get_marker() == "x"]
    assert [float(np.ravel(line.get_xdata())[0]) for line in crosses] == [8.0]
    assert "cell failed" in entries(overview(semantic, EPSILON, STYLES))


def test_an_unbounded_attack_stands_at_its_realised_rms(run: FakeRun, semantic: View) -> None:
    (curve,) = [c for c in semantic.curves(own=True) if c.attack == "dag" and c.model == MODELS[0]]
    assert curve.is_unbounded
    assert EPSILON.position(curve.points[0]) == run.summary.query("attack == 'dag'")["rms"].iloc[0]
    assert "unbounded, at its realised RMS" in entries(overview(semantic, EPSILON, STYLES))
    assert "unbounded, at its realised RMS" not in entries(overview(semantic, SNR, STYLES))


def test_a_single_point_without_interval_or_snr_can_be_drawn(semantic: View) -> None:
    keep = [row for row in semantic.rows if row.attack == "clean" or (row.attack, row.epsilon) == ("pgd", 1.0)]
    bare = [replace(row, ratio_low=None, ratio_high=None, snr_db=None) for row in keep]
    for axis in AXES:
        assert picture(overview(replace(semantic, rows=tuple(bare)), axis, STYLES)).startswith(b"\x89PNG")


def test_names_cannot_break_a_figure(semantic: View) -> None:
    names = ["_hidden$a_b^$" + "x" * 90, "模型"]
    renamed = tuple(replace(row, model=names[MODELS.index(row.model)]) for row in semantic.rows)
    plot = by_perturbation(replace(semantic, rows=renamed), EPSILON, looks(names), own=True)
    assert picture(plot).startswith(b"\x89PNG")
    first = next(iter(entries(plot)))
    assert first.startswith(" _hidden$a_b")
    assert len(first) < 50


def test_figures_are_the_same_bytes_and_leave_matplotlib_alone(semantic: View) -> None:
    before = dict(matplotlib.rcParams)
    plot = overview(semantic, EPSILON, STYLES)
    first = picture(plot)
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert picture(plot) == first
    assert dict(matplotlib.rcParams) == before
    assert b"matplotlib" not in first.lower()
