"""The study of DenseMTL 2023 on made-up runs with a store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.studies.by_task import ByTask
from robustbench_seg.studies.densemtl2023 import page, tables
from robustbench_seg.studies.densemtl2023 import settings as study
from robustbench_seg.studies.findings import HOLDS, UNDECIDED
from robustbench_seg.studies.grouped import Grouped, Place
from robustbench_seg.studies.page import read_paper, write_page
from tests.results.stored_runs import stored_run

PAPER = read_paper(page.__file__)
PAIR = ("semantic", "depth")
IMAGES = 12


def cells(good: float, seed: int) -> dict[float, list[float]]:
    """One number an image, clean and under attack: a share of right pixels, or an RMSE."""
    noise = np.random.default_rng(seed).normal(0, 0.002, IMAGES)
    return {0.0: list(good + noise), **{e: list((good + noise) / (1 + e)) for e in study.EPSILONS}}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> ByTask:
    """Two tasks: segmentation gains from attention, and depth loses as much of its RMSE."""
    means = dict.fromkeys(study.CLEAN_RUN.groups, 0.6) | {study.ATTENTION: 0.7}
    names = {group: [f"{group}-{seed}" for seed in range(3)] for group in means}
    models = {name: cells(means[group], i) for group, own in names.items() for i, name in enumerate(own)}
    worst = [AttackConfiguration("worst", task, "linf", study.EPSILONS) for task in PAIR]
    folder = tmp_path_factory.mktemp("study") / "run"
    run = stored_run(folder, models, tasks=PAIR, attacked=PAIR, worst=worst)
    return ByTask(run, names, {task: study.SCALES[task] for task in PAIR})


def test_clean_is_judged_in_every_task_and_in_delta(results):
    semantic, depth, delta = results.clean(study.WORLD, study.NONE, study.ATTENTION)
    assert (semantic.sign, depth.sign) == (1, -1)
    assert delta.difference == pytest.approx(results.gains(study.NONE)[-2].gain, abs=20)
    assert [c.sign for c in results.clean(study.WORLD, study.NONE, study.GATED)] == [0, 0, 0]


def test_findings_hold_only_where_every_task_says_so(results):
    found = {finding.text: finding for finding in page.findings({"four": results}, results, PAPER)}
    assert len(found) == sum(claim["kind"] in ("four", "own", "others") for claim in PAPER["findings"])
    first = next(iter(found.values()))
    assert {c.subject.split(",")[0] for c in first.comparisons} == {"semantic segmentation", "depth", "Δ"}
    assert first.verdict != HOLDS
    spread = next(finding for text, finding in found.items() if text.endswith("so do gated messages"))
    assert spread.verdict == UNDECIDED


def test_what_an_attack_does_to_another_task_is_told_from_its_own(results):
    grouped = results.against[study.NONE, "depth"]
    own, other = (grouped.mean(study.NONE, Place("street", "fgsm", 1.0, objective)) for objective in ("", "semantic"))
    assert own == pytest.approx(2.0)
    assert other == pytest.approx(2.0)
    assert np.isnan(grouped.mean(study.NONE, Place("street", "fgsm", 1.0, "depth")))
    found = list(results.retained(study.NONE, study.GATED, [Place("street", "fgsm", 1.0, "semantic")], -1))
    assert [c.subject.split(",")[0] for c in found] == ["depth"]


def test_single_tasks_are_models_of_one_task(results):
    assert {t.recipe for t in study.CLEAN_RUN.groups[study.SINGLE]} == {f"densemtl-{task}" for task in study.TASKS}
    assert len({t.name for t in study.CLEAN_RUN.trainings}) == 3 * (4 + 5)


def test_every_finding_names_groups_that_there_are():
    groups = {name: set(setting.experiment.groups) for name, setting in study.SETTINGS.items()}
    for claim in PAPER["findings"]:
        known = groups.get(claim["kind"], groups["four"])
        assert {group for pair in claim["pairs"] for group in pair} <= known


def test_every_training_can_be_read_and_has_a_name_of_its_own():
    for setting in study.SETTINGS.values():
        names = [training.name for training in setting.experiment.trainings]
        assert len(set(names)) == len(names)


def test_the_table_of_groups(results):
    table = tables.groups_table(study.SETTINGS["four"], results)
    lines = {line.label: line.cells for line in table.lines}
    assert [*lines] == [*study.CLEAN_RUN.groups]
    assert lines[study.SINGLE][-1].main == "–"
    (gain, *_) = [gain for gain in results.gains(study.SINGLE) if gain.second == study.ATTENTION]
    assert lines[study.ATTENTION][-1].main == f"{gain.gain:+.1f}"
    assert lines[study.ATTENTION][1].main == "0.70"
    assert lines[study.ATTENTION][1].small[0] == "+0.10"


@pytest.mark.slow
def test_the_page(results, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "robustbench_seg.studies.densemtl2023.tables.BASELINES", replace(study.BASELINES, tasks=["depth"])
    )
    baselines = Grouped(results.run, {"mean depth": [f"{study.NONE}-0"]}, "rmse")
    sections = page.sections({"four": results}, results, baselines, PAPER)
    path = write_page(tmp_path, study.NAME, PAPER["page"], sections, [results.run])
    text = path.read_text(encoding="utf-8")
    assert "Which of the paper&#39;s findings hold here" in text
    assert (tmp_path / "figures" / "figure_robustness.png").is_file()
    assert not any(brace in text for brace in ("{images}", "{gradients}", "{epsilon"))
