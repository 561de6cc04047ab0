"""The study's numbers, tables, findings and names, on made-up runs with a store."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from robustbench_seg.studies.klingner2020 import __main__ as command
from robustbench_seg.studies.klingner2020.experiments import MEAN_MAP, mean_depth_map
from robustbench_seg.studies.klingner2020.figures import figure_files
from robustbench_seg.studies.klingner2020.findings import Comparer, is_repeated, judged
from robustbench_seg.studies.klingner2020.results import EPSILONS, Results
from robustbench_seg.studies.klingner2020.tables import depth_table, table_2, tables_q
from robustbench_seg.studies.klingner2020.trainings import ABLATION, CAMVID, FULL, SINGLE, Training
from robustbench_seg.studies.klingner2020.words import paragraph
from robustbench_seg.studies.votes import HOLDS, UNDECIDED
from tests.results.stored_runs import stored_run

PUBLISHED = tomllib.loads((Path(command.__file__).parent / "published.toml").read_text(encoding="utf-8"))
IMAGES = 12


def _cells(clean, share, seed):
    """Shares of pixels right, clean and under FGSM, a little different by image and seed."""
    noise = np.random.default_rng(seed).normal(0, 0.01, IMAGES)
    return {0.0: list(clean + noise), **{e: list((clean + noise) * share ** (1 + i)) for i, e in enumerate(EPSILONS)}}


def _results(folder, groups, clean, share):
    """Three networks a group; `clean` and `share` are by group."""
    names = {kind: [f"{kind}-{seed}" for seed in range(3)] for kind in groups}
    models = {name: _cells(clean[k], share[k], i) for k in groups for i, name in enumerate(names[k])}
    return Results(stored_run(folder, models, tasks=("semantic",)), names)


@pytest.fixture
def better(tmp_path):
    return _results(tmp_path / "better", (SINGLE, "0.1"), {SINGLE: 0.8, "0.1": 0.9}, {SINGLE: 0.9, "0.1": 0.95})


@pytest.fixture
def same(tmp_path):
    return _results(tmp_path / "same", (SINGLE, "0.1"), {SINGLE: 0.8, "0.1": 0.8}, {SINGLE: 0.9, "0.1": 0.9})


def test_numbers_are_means_over_seeds(better):
    rows = better.each("0.1", "street", "fgsm", 1.0)
    assert [row.model for row in rows] == ["0.1-0", "0.1-1", "0.1-2"]
    assert better.ratio("0.1", "street", "fgsm", 1.0) == pytest.approx(np.mean([row.ratio for row in rows]))
    found = better.difference("0.1", "street")
    assert found.difference == pytest.approx(better.clean("0.1", "street") - better.clean(SINGLE, "street"), abs=2e-6)
    assert found.verdict == "higher"
    assert better.difference(SINGLE, "street") is None
    assert np.isnan(better.clean("0.1", "street-b"))


def test_a_finding_holds_only_where_the_intervals_say_so(better, same):
    verdicts = {one.finding: one.verdict for one in judged(better, better)}
    first = next(iter(verdicts))
    assert verdicts[first] == HOLDS
    assert next(one.verdict for one in judged(same, same)) == UNDECIDED
    under = next(one for one in judged(better, better) if one.finding.startswith("Under FGSM"))
    assert len(under.votes) == len(EPSILONS)
    assert all(vote.sign == 1 for vote in under.votes)


def test_one_training_counts_only_beyond_the_seeds(better, tmp_path):
    groups = {SINGLE: 0.8, "0.1": 0.81}
    near = _results(tmp_path / "near", groups, groups, {SINGLE: 0.9, "0.1": 0.9})
    once = Results(near.run, {kind: models[:1] for kind, models in near.groups.items()})
    cell = ("0.1", "street", "clean", 0.0)
    found = once.difference(*cell)
    assert found.verdict == "higher"
    assert abs(found.difference) == pytest.approx(0.01, abs=0.005)
    assert Comparer(once).is_clear(cell)
    noisy = _results(tmp_path / "noisy", (SINGLE,), {SINGLE: 0.8}, {SINGLE: 0.9})
    wide = Results(noisy.run, {SINGLE: noisy.groups[SINGLE]})
    assert wide.spread("street") == pytest.approx(np.ptp([row.value for row in wide.each(SINGLE, "street")]))
    assert wide.spread("street", "fgsm", 1.0) < 1e-3
    assert Comparer(once, wide).is_clear(cell) == (wide.spread("street") < abs(found.difference))
    assert Comparer(better, wide).is_clear(cell)


def test_harm_counts_for_the_finding_that_says_so(tmp_path):
    worse = _results(tmp_path / "worse", (SINGLE, "0.1"), {SINGLE: 0.9, "0.1": 0.8}, {SINGLE: 0.9, "0.1": 0.9})
    assert judged(worse, worse)[0].votes[0].sign == -1


def test_the_paragraph_says_what_the_numbers_say(better, same, tmp_path):
    said = paragraph(better, better, None, judged(better, better))
    change = 100 * better.difference("0.1", "street").difference
    assert f"changes clean mIoU by {change:+.1f} points on street." in said
    assert "a larger share in 7 of 7 cells" in said
    assert "of which 7 can be told apart from a training's luck with 3 seeds" in said
    assert "The λ of the ablation" not in said
    assert "findings that are judged below: holds (" in said
    said = paragraph(same, same, None, judged(same, same))
    assert "points on street (not told apart)." in said
    assert "of which none can be" in said
    said = paragraph(same, same, better, [])
    assert f"With CamVid's labels clean mIoU changes by {change:+.1f} points" in said
    assert "larger in 7 of 7 cells" in said
    kinds = (SINGLE, "0.1", "0.5")
    over = _results(tmp_path / "over", kinds, dict(zip(kinds, (0.7, 0.8, 0.9), strict=True)), dict.fromkeys(kinds, 0.9))
    apart = 100 * (over.clean("0.5", "street") - over.clean("0.1", "street"))
    assert f"lie within {apart:.1f} points of clean mIoU on street (two seeds" in paragraph(over, over, None, [])


def test_a_command_names_the_data_that_are_not_embedded():
    (single,) = CAMVID[SINGLE]
    assert single.command == "robustseg train klingner-camvid-single --data CAMVID"


def test_pgd_of_one_step_counts_once():
    assert [e for e in EPSILONS if is_repeated("pgd", e)] == [0.25, 0.5]
    assert not any(is_repeated("fgsm", e) for e in EPSILONS)


def test_tables_show_ours_and_the_papers(better):
    table = table_2(better, better, PUBLISHED)
    single, multi = table.lines[:2]
    assert [cell.main for cell in single.cells[2:]] == ["63.5", "43.0"]
    assert multi.cells[0].main == f"{100 * better.clean('0.1', 'street'):.1f}"
    assert multi.cells[0].small[0].startswith("Δ +")
    tables = {one.caption: one for one in tables_q(better, PUBLISHED)}
    fgsm = tables["Table 4: FGSM on street"]
    assert [line.label for line in fgsm.lines] == [
        SINGLE, "λ = 0.1", "λ = 0.1 − single task", SINGLE, "λ = 0.1",
    ]  # fmt: skip
    assert [cell.main for cell in fgsm.lines[3].cells][:2] == ["63.8", "57.0"]
    gaussian = tables["Table 3: Gaussian noise on street"]
    assert [line.tag for line in gaussian.lines].count("paper, Cityscapes") == 1
    assert {cell.main for cell in gaussian.lines[0].cells} == {"–"}
    assert len(tables["FGSM on street-b"].lines) == 3


def test_figures_are_drawn_where_a_domain_is_missing(better):
    files = figure_files(better, better, PUBLISHED)
    assert list(files) == ["figure4.png", "figure5.png", "figure6.png"]
    assert all(data.startswith(b"\x89PNG") for _, data in files.values())


def test_names_and_commands_of_trainings():
    assert Training("klingner-single").name == "klingner-single"
    assert Training("klingner-single", 2).command == "robustseg train klingner-single --seed 2"
    assert Training("klingner-multi-0.9", steps=600).name == "klingner-multi-0.9-600"
    every = [one for table in (FULL, ABLATION, CAMVID) for group in table.values() for one in group]
    assert len({one.name for one in every}) == len(every) == 6 + 8 + 3


@pytest.mark.parametrize("table", [FULL, ABLATION, CAMVID])
def test_compared_networks_have_equal_steps_and_images(table):
    recipes = [one.read() for group in table.values() for one in group]
    assert len({recipe.steps for recipe in recipes}) == 1
    assert len({recipe.batch + (recipe.video.batch if recipe.video else 0) for recipe in recipes}) == 1
    for kind, group in table.items():
        for one in group:
            video = one.read().video
            assert (None if video is None else f"{video.gradient_scale}") == (None if kind == SINGLE else kind)


def test_the_mean_depth_map(tmp_path):
    class Two(list):
        pass

    class Sample:
        def __init__(self, depth):
            self.labels = {"depth": np.array(depth, np.float32)}

    model = mean_depth_map(Two([Sample([[2.0, 0.0, 90.0]]), Sample([[4.0, 6.0, 0.0]])]))
    assert model.name == MEAN_MAP
    assert model.median_scaling
    depth = model.module(torch.zeros(2, 3, 1, 3))["depth"]
    assert depth.tolist() == [[[3.0, 6.0, 80.0]]] * 2


def test_depth_table(tmp_path):
    errors = {"mean": [5.0, 6.0, 7.0], "net": [2.0, 3.5, 4.0], "other": [3.0, 3.5, 4.0]}
    models = {name: {0.0: values * 4, 1.0: values * 4} for name, values in errors.items()}
    run = stored_run(tmp_path / "depth", models)
    results = Results(run, {MEAN_MAP: ["mean"], "0.1": ["net", "other"]}, "abs_rel")
    mean, learnt = depth_table(results, "street").lines
    # The made-up statistics have AbsRel a tenth of the RMSE.
    assert (mean.cells[0].main, mean.cells[1].main) == ("0.600", "–")
    assert (learnt.cells[0].main, learnt.cells[0].small) == ("0.333", ("seeds 0.317, 0.350",))
    assert learnt.cells[1].main == "-0.267"
    assert results.difference("0.1", "street").verdict == "lower"
