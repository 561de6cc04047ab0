"""The study's findings, tables, figures and trainings, on made-up runs with a store."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from robustbench_seg.report.write import write_comparison
from robustbench_seg.results.run import Run
from robustbench_seg.studies import klingner2020 as study
from robustbench_seg.studies.findings import HOLDS, UNDECIDED
from robustbench_seg.studies.klingner2020 import EPSILONS, MULTI, SINGLE
from robustbench_seg.studies.page import read_paper, write_page, write_run
from tests.studies.made_up import grouped_run

PAPER = read_paper(study.__file__)
TRAININGS = (study.FULL_LENGTH, study.OVER_LAMBDA, study.REAL_DATA)


def test_a_finding_holds_only_where_the_intervals_say_so(better, same):
    found = study.findings(better, better, PAPER)
    assert found[0].verdict == HOLDS
    assert study.findings(same, same, PAPER)[0].verdict == UNDECIDED
    under = next(one for one in found if one.text.startswith("Under FGSM"))
    assert len(under.comparisons) == len(EPSILONS)
    assert all(one.sign == 1 for one in under.comparisons)


def test_harm_counts_against(tmp_path):
    worse = grouped_run(tmp_path / "run", (SINGLE, MULTI), {SINGLE: 0.9, MULTI: 0.8}, dict.fromkeys((SINGLE, MULTI), 1))
    assert study.findings(worse, worse, PAPER)[0].comparisons[0].sign == -1


def test_pgd_of_one_step_counts_once():
    assert [e for e in EPSILONS if study.is_fgsm(study.Place("street", "pgd", e))] == [0.25, 0.5]
    assert not any(study.is_fgsm(study.Place("street", "fgsm", e)) for e in EPSILONS)


def test_tables_show_ours_and_the_papers(better):
    table = study.table_2(better, better, PAPER)
    lines = {(line.label, line.tag): [cell.main for cell in line.cells] for line in table.lines}
    assert lines[SINGLE, "paper"] == ["63.5", "43.0"]
    assert lines["λ = 0.1", "full length"][0] == f"{100 * better.mean(MULTI, study.Place('street')):.1f}"
    assert lines["λ = 0.1 − single task", "full length"][0].startswith("+")
    tables = {one.caption: one for one in study.tables_q(better, PAPER)}
    fgsm = tables["Table 4: FGSM on street"]
    assert [line.label for line in fgsm.lines] == [
        SINGLE, "λ = 0.1", "λ = 0.1 − single task", SINGLE, "λ = 0.1",
    ]  # fmt: skip
    assert [cell.main for cell in fgsm.lines[3].cells][:2] == ["63.8", "57.0"]
    gaussian = tables["Table 3: Gaussian noise on street"]
    assert [line.tag for line in gaussian.lines].count("paper, Cityscapes") == 1
    assert {cell.main for cell in gaussian.lines[0].cells} == {"–"}
    assert len(tables["FGSM on street-b"].lines) == 3


@pytest.mark.slow
def test_the_page_and_a_folder_that_is_a_run(better, tmp_path):
    results = study.Results(better, better, better, better)
    runs = [better.run]
    write_run(tmp_path, study.NAME, runs)
    page = write_page(tmp_path, study.NAME, PAPER["page"], study.sections(results, PAPER), runs)
    text = page.read_text(encoding="utf-8")
    assert "Which of the paper&#39;s findings hold here" in text
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [f"figure_{n}.png" for n in (4, 5, 6)]
    assert Run(tmp_path).info["study"] == study.NAME
    assert write_comparison([Run(tmp_path)], tmp_path / "plot").is_file()


def test_the_published_study_is_a_run(tmp_path):
    from tests.report.test_published import REPORTS

    published = Run(REPORTS / "klingner2020")
    assert set(published.info["runs"]) == {"full", "ablation", "depth", "camvid"}
    assert json.dumps(published.info)
    assert {row.status for row in published.rows} == {"ok"}


def test_the_command_has_the_common_options():
    out = CliRunner().invoke(study.main, ["--help"]).output
    assert all(option in out for option in ("--out", "--limit", "--device", "--workers", "--work", "--camvid"))


def test_names_of_trainings_are_distinct():
    every = [one for experiment in TRAININGS for one in experiment.trainings]
    assert len({one.name for one in every}) == len(every) == 6 + 8 + 3


@pytest.mark.parametrize("experiment", TRAININGS, ids=lambda experiment: experiment.name)
def test_compared_networks_have_equal_steps_and_images(experiment):
    recipes = [one.read() for one in experiment.trainings]
    assert len({recipe.steps for recipe in recipes}) == 1
    assert len({recipe.batch + (recipe.video.batch if recipe.video else 0) for recipe in recipes}) == 1
    for kind, group in experiment.groups.items():
        for one in group:
            video = one.read().video
            assert (None if video is None else f"{video.gradient_scale}") == (None if kind == SINGLE else kind)
