"""Plans of figures: which lines share a panel, in which look."""

from functools import partial
from typing import Any

import pandas as pd
import pytest

from robustbench_seg.report.curves import AXES, by_perturbation, overview
from robustbench_seg.report.style import looks
from robustbench_seg.report.views import View, views
from robustbench_seg.results.rows import read_rows
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


@pytest.mark.parametrize("make", [overview, partial(by_perturbation, own=True)])
def test_images_rounded_to_8_bits_stand_beside_those_before(run: FakeRun, semantic: View, make: Any) -> None:
    perturbed = run.summary[run.summary.attack != "clean"]
    table = pd.concat([run.summary.assign(scored="float"), perturbed.assign(scored="8 bit")])
    plain, plot = (make(view, axis=EPSILON, styles=STYLES) for view in (semantic, views(read_rows(table))[0]))
    assert [panel.title for panel in plot.panels] == [panel.title for panel in plain.panels]
    assert list(plot.legend) == [*plain.legend, "8 bit"]
    for panel, before in zip(plot.panels, plain.panels, strict=True):
        known = [(line.points, line.look.colour) for line in before.lines]
        for hollow in (False, True):
            lines = [line for line in panel.lines if line.look.is_hollow == hollow]
            assert [(line.points, line.look.colour) for line in lines] == known
