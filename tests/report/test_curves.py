"""Plans of figures: which lines share a panel, in which look."""

import pytest

from robustbench_seg.report.curves import AXES, by_perturbation, overview
from robustbench_seg.report.style import looks
from robustbench_seg.report.views import View, views
from tests.report.fake_run import FakeRun

EPSILON = AXES[0]
MODELS = ["street-mobilenetv2", "street-multitask"]
STYLES = looks(MODELS)


@pytest.fixture(scope="module")
def semantic(run: FakeRun) -> View:
    return views(run.rows)[0]


def test_overview_has_a_panel_a_model_and_a_colour_a_perturbation(semantic: View) -> None:
    plot = overview(semantic, EPSILON, STYLES)
    assert [panel.title for panel in plot.panels] == MODELS
    names = ["Gaussian noise", "Salt-and-pepper noise", "FGSM", "PGD", "DAG", "Hiding person"]
    assert list(plot.legend) == names
    assert len({look.colour for look in plot.legend.values()}) == len(names)
    lines = {panel.title: {line.look.line for line in panel.lines} for panel in plot.panels}
    assert lines[MODELS[0]] != lines[MODELS[1]]
    assert all(len(line) == 1 for line in lines.values())


def test_multiples_have_a_panel_a_perturbation_and_a_line_a_model(semantic: View) -> None:
    plot = by_perturbation(semantic, EPSILON, STYLES, own=True)
    assert [len(panel.lines) for panel in plot.panels] == [2] * 6
    assert list(plot.legend) == MODELS


def test_attacks_on_another_task_are_apart(semantic: View) -> None:
    plot = by_perturbation(semantic, EPSILON, STYLES, own=False)
    assert [panel.title for panel in plot.panels] == ["FGSM on depth", "PGD on depth", "Hiding person on depth"]
    assert list(plot.legend) == ["street-multitask"]
