"""Means, differences and comparisons of groups of seeds, on made-up runs with a store."""

from __future__ import annotations

import numpy as np
import pytest

from robustbench_seg.report.comparison import Scale
from robustbench_seg.studies.grouped import Grouped, Place
from robustbench_seg.studies.klingner2020 import MULTI, SINGLE
from robustbench_seg.studies.tables import group_lines
from tests.results.stored_runs import stored_run
from tests.studies.made_up import grouped_run

CLEAN = Place("street")
FGSM = Place("street", "fgsm", 1.0)


def test_numbers_are_means_over_seeds(better):
    each = better.each(MULTI, FGSM)
    assert len(each) == 3
    assert better.mean(MULTI, FGSM) == pytest.approx(np.mean(each))
    found = better.difference(MULTI, CLEAN)
    assert found.difference == pytest.approx(better.mean(MULTI, CLEAN) - better.mean(SINGLE, CLEAN), abs=2e-6)
    assert found.verdict == "higher"
    assert better.difference(SINGLE, CLEAN) is None
    assert np.isnan(better.mean(MULTI, Place("street-b")))


def test_a_comparison_has_every_interval_and_the_verdict(better, same):
    found = better.comparison(MULTI, CLEAN)
    assert set(found.intervals) == {"images", "seeds"}
    assert (found.sign, found.verdict, found.where) == (1, "higher", "street, clean")
    assert same.comparison(MULTI, CLEAN).sign == 0
    assert better.comparison(MULTI, Place("nowhere")) is None


def test_one_training_counts_only_beyond_the_seeds(better, tmp_path):
    groups = {SINGLE: 0.8, MULTI: 0.81}
    near = grouped_run(tmp_path / "near", groups, groups, dict.fromkeys(groups, 0.9))
    once = Grouped(near.run, {kind: models[:1] for kind, models in near.groups.items()})
    found = once.comparison(MULTI, CLEAN)
    assert found.sign == 1
    assert found.difference == pytest.approx(0.01, abs=0.005)
    noisy = grouped_run(tmp_path / "noisy", (SINGLE,), {SINGLE: 0.8}, {SINGLE: 0.9})
    assert noisy.spread(CLEAN) == pytest.approx(np.ptp(noisy.each(SINGLE, CLEAN)))
    assert noisy.spread(FGSM) < 1e-3
    assert bool(once.comparison(MULTI, CLEAN, noisy).sign) == (noisy.spread(CLEAN) < abs(found.difference))
    assert better.comparison(MULTI, CLEAN, noisy).sign == 1


def test_lines_of_a_table(tmp_path):
    errors = {"mean": [5.0, 6.0, 7.0], "net": [2.0, 3.5, 4.0], "other": [3.0, 3.5, 4.0]}
    models = {name: {0.0: values * 4, 1.0: values * 4} for name, values in errors.items()}
    run = stored_run(tmp_path / "depth", models)
    grouped = Grouped(run, {"map": ["mean"], "nets": ["net", "other"]}, "abs_rel")
    mean, learnt, difference = group_lines(grouped, [CLEAN], str, scale=Scale())
    # The made-up statistics have AbsRel a tenth of the RMSE.
    assert mean.cells[0].main == "0.600"
    assert (learnt.cells[0].main, learnt.cells[0].small) == ("0.333", ("seeds 0.317, 0.350",))
    assert (difference.label, difference.cells[0].main) == ("nets − map", "−0.267")
    assert grouped.difference("nets", CLEAN).verdict == "lower"
