"""Matrices, contrasts and rank correlations against closed forms."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from robustbench_seg.report.relationships.agreement import model_table, norm_pairs, norm_sentence, radius_table
from robustbench_seg.report.relationships.asymmetry import grouped, individual, within
from robustbench_seg.report.relationships.contrast import Estimate, Side, contrast, key
from robustbench_seg.report.relationships.effects import COLUMNS, effects, effects_table
from robustbench_seg.report.relationships.findings import cohesion, direction, multi_task_loss, own_losses
from robustbench_seg.report.relationships.hiding import chosen, hiding_contrast, hiding_table, hidings
from robustbench_seg.report.relationships.matrix import Matrix, Setting, families, leading, nearest
from robustbench_seg.report.relationships.objectives import group, is_own, kind, ordered_objectives, ordered_tasks
from robustbench_seg.report.relationships.rank import FEWEST, agreement, spearman
from robustbench_seg.report.relationships.swapping import shape_sentence, shapes, swap_table, swaps
from robustbench_seg.results.rows import Row, read_rows
from robustbench_seg.tasks.registry import TASKS
from tests.report.fake_five_tasks import GEOMETRIC, HALF, HIDDEN, SEMANTIC, Model, five_tasks
from tests.report.fake_five_tasks import TASKS as FIVE

SETTING = Setting("m", "d", "pgd", "linf")


def row(attacked: str, measured: str, q: float | None, half: float | None = 0.05, **changes) -> Row:
    low, high = (None, None) if q is None or half is None else (q - half, q + half)
    made = Row(
        **dict(zip(("model", "dataset", "attack"), SETTING, strict=False)),
        **{"objective": attacked, "norm": "linf", "epsilon": 1.0, "task": measured, "metric": "miou"},
        **{"direction": "higher", "value": q, "clean": None if q is None else 1.0},
        **{"ratio": q, "ratio_low": low, "ratio_high": high},
        **{"snr_db": 40.0, "rms": 1.0, "linf": 1.0, "n_images": 200, "n_unchanged": 0, "status": "ok"},
    )
    return replace(made, **changes)


def matrix(cells: dict[tuple[str, str], float | None], half: float | None = 0.05) -> Matrix:
    made = {pair: row(*pair, q, half) for pair, q in cells.items()}
    tasks = ordered_tasks([measured for _, measured in cells])
    return Matrix(SETTING, 1.0, tuple(ordered_objectives([o for o, _ in cells], tasks)), tuple(tasks), made)


ASYMMETRIC = {
    (attacked, measured): 1 - (0.6 if attacked == measured else 0.2 if attacked in SEMANTIC else 0.05)
    for attacked in FIVE
    for measured in FIVE
}
"""Attacks on semantic tasks take .2 of everything else, those on geometric tasks .05."""


def test_known_asymmetry() -> None:
    found = individual(matrix(ASYMMETRIC), {})
    assert found is not None
    assert (len(found.first.rows), len(found.second.rows)) == (6, 6)
    assert [loss.value for loss in found.losses] == pytest.approx([0.2, 0.05])
    assert found.difference.value == pytest.approx(0.15)
    # Means of equal intervals keep their width; two independent ones add in quadrature.
    assert (found.losses[0].low, found.losses[0].high) == pytest.approx((0.15, 0.25))
    spread = math.hypot(0.05, 0.05)
    assert (found.difference.low, found.difference.high) == pytest.approx((0.15 - spread, 0.15 + spread))
    assert found.difference.sign == 1
    assert found.method == "from the single intervals"


def test_the_reverse_asymmetry_and_an_undecided_one() -> None:
    turned = {(b, a): q for (a, b), q in ASYMMETRIC.items()}
    found = individual(matrix(turned), {})
    assert found is not None
    assert found.difference.value == pytest.approx(-0.15)
    assert "Geometric tasks have the stronger influence" in direction((SETTING, 1.0, found))
    wide = individual(matrix(ASYMMETRIC, half=0.2), {})
    assert wide is not None
    assert wide.difference.sign == 0
    assert "does not tell them apart" in direction((SETTING, 1.0, wide))


def test_without_intervals_nothing_is_claimed() -> None:
    found = individual(matrix(ASYMMETRIC, half=None), {})
    assert found is not None
    assert found.difference == Estimate(pytest.approx(0.15))
    assert "nothing is claimed" in direction((SETTING, 1.0, found))
    (text,) = own_losses(matrix(ASYMMETRIC, half=None), {})
    assert text.startswith("PGD (L∞) at ε = 1: 0 of 5 tasks lose clearly most")


def test_missing_cells_are_left_out_and_never_zero() -> None:
    holes = {**ASYMMETRIC, ("semantic", "depth"): None}
    made = matrix(holes)
    assert made.ratio("semantic", "depth") is None
    assert made.ratio("no such", "depth") is None
    found = individual(made, {})
    assert found is not None
    assert len(found.first.rows) == 5
    assert found.losses[0].value == pytest.approx(0.2)
    assert individual(matrix({pair: q for pair, q in ASYMMETRIC.items() if pair[0] in SEMANTIC}), {}) is None


def test_same_group_against_the_other() -> None:
    cells = {(a, b): 0.4 if a == b else 0.7 if (a in SEMANTIC) == (b in SEMANTIC) else 0.9 for a in FIVE for b in FIVE}
    found = within(matrix(cells), {})
    assert found is not None
    assert (len(found.first.rows), len(found.second.rows)) == (8, 12)
    assert [loss.value for loss in found.losses] == pytest.approx([0.3, 0.1])
    assert "Tasks depend on their own group more" in cohesion((SETTING, 1.0, found))
    assert within(matrix({(a, b): 0.5 for a in ("semantic", "depth") for b in ("semantic", "depth")}), {}) is None


def test_group_losses_are_measured_on_the_other_group() -> None:
    cells = {("group:semantic", task): 0.7 for task in FIVE} | {("group:geometric", task): 0.9 for task in FIVE}
    found = grouped(matrix(cells), {})
    assert found is not None
    assert {r.task for r in found.first.rows} == set(GEOMETRIC)
    assert {r.task for r in found.second.rows} == set(SEMANTIC)
    assert found.difference.value == pytest.approx(0.2)


def test_paired_draws_give_the_interval_of_the_difference() -> None:
    first, second = row("semantic", "depth", 0.7), row("depth", "semantic", 0.8)
    noise = np.random.default_rng(0).normal(0, 0.2, 1000)
    # Both fall on the same images: the difference is .1 in every resample, however wide the single intervals are.
    draws = {key(first): 0.7 + noise, key(second): 0.8 + noise[:200]}
    found = contrast("", Side("a", (first,)), Side("b", (second,)), draws)
    assert found is not None
    assert found.method == "paired bootstrap, 200 resamples"
    assert (found.difference.low, found.difference.high) == pytest.approx((0.1, 0.1))
    assert found.losses[0].low == pytest.approx(0.3 - np.quantile(noise[:200], 0.975))
    half = contrast("", Side("a", (first,)), Side("b", (second,)), {key(first): noise})
    assert half is not None
    assert half.resamples == 0


def test_ratios_are_used_as_they_are_oriented(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    cell = next(
        r for r in effects(run.rows) if (r.objective, r.task, r.epsilon, r.norm) == ("semantic", "depth", 1, "linf")
    )
    assert cell.direction == "lower"
    assert cell.ratio == pytest.approx(cell.clean / cell.value)
    family = families(effects(run.rows))[0]
    assert family.chosen.ratio("semantic", "depth") == cell.ratio


def test_spearman_against_scipy_with_ties() -> None:
    draw = np.random.default_rng(1)
    for _ in range(20):
        a, b = draw.integers(0, 6, 12).astype(float).tolist(), draw.integers(0, 6, 12).astype(float).tolist()
        assert spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert spearman([1, 2, 3, 4], [10, 20, 30, 400]) == pytest.approx(1)
    assert spearman([1, 2, 3, 4], [4, 3, 2, 1]) == pytest.approx(-1)
    assert spearman([1, 2, 3, 4], [2, 1, 4, 3]) == pytest.approx(0.6)
    assert spearman([1, 1, 1, 1], [1, 2, 3, 4]) is None
    assert spearman([1, 2, 3], [1, 2, 3]) is None


def test_agreement_counts_common_cells_on_and_off_the_diagonal() -> None:
    first = matrix(ASYMMETRIC)
    second = matrix({**ASYMMETRIC, ("semantic", "depth"): None})
    assert agreement(first, second, off_diagonal=False).n == 24
    assert agreement(first, second, off_diagonal=True).n == 19
    few = matrix({(a, b): 0.5 for a in ("semantic", "depth") for b in ("semantic", "depth")})
    assert agreement(first, few, off_diagonal=True).text() == "too few (n = 2)"
    assert agreement(few, few, off_diagonal=False).text() == f"no order (n = {FEWEST})"
    assert agreement(first, first, off_diagonal=True).text() == "1.00 (n = 20)"


def test_what_counts_as_own() -> None:
    own = {one: {task for task in FIVE if is_own(one, task)} for one in ("depth", "loss:reg", "loss:seg", "group:all")}
    assert own == {"depth": {"depth"}, "loss:reg": {"detection"}, "loss:seg": {"semantic"}, "group:all": set(FIVE)}
    assert {task for task in (*FIVE, "gaze") if is_own("group:geometric", task)} == set(GEOMETRIC)
    assert not is_own("group:semantic", "gaze")
    assert kind("hide:person@depth") == kind("swap:a,b@semantic") == ""


def test_order_of_tasks_and_objectives() -> None:
    mixed = ["instance_depth", "gaze", "depth", "instance", "semantic", "detection"]
    assert ordered_tasks(mixed) == ["semantic", "detection", "instance", "depth", "instance_depth", "gaze"]
    objectives = [
        "group:geometric",
        "loss:depth",
        "loss:new",
        "gaze",
        "group:all",
        "loss:cls",
        "depth",
        "semantic",
        "hide:x@depth",
    ]
    assert ordered_objectives(objectives, mixed) == [
        *("semantic", "depth", "gaze"),
        *("loss:cls", "loss:depth", "loss:new"),
        *("group:all", "group:geometric"),
    ]


def test_a_plugin_task_is_asked_for_its_group_and_may_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert group("gaze") == ""
    declared = {"gaze": type("Gaze", (), {"group": "geometric"}), "mood": type("Mood", (), {"group": "social"})}
    monkeypatch.setattr(type(TASKS), "__contains__", lambda self, name: name in declared)
    monkeypatch.setattr(type(TASKS), "get", lambda self, name: declared[name])
    assert (group("gaze"), group("mood"), group("semantic")) == ("geometric", "", "semantic")


def test_an_ungrouped_task_is_in_the_matrix_but_in_no_direction() -> None:
    cells = {**ASYMMETRIC, **{(task, "gaze"): 0.1 for task in FIVE}, ("gaze", "gaze"): 0.2, ("gaze", "depth"): 0.3}
    found, plain = individual(matrix(cells), {}), individual(matrix(ASYMMETRIC), {})
    assert found is not None
    assert plain is not None
    assert found.difference == plain.difference
    assert matrix(cells).tasks[-1] == "gaze"


def test_reference_radius() -> None:
    assert nearest([0.25, 1.0, 4.0]) == 1.0
    assert nearest([0.5, 2.0]) == 0.5
    assert nearest([4.0, 8.0]) == 4.0
    assert nearest([0.5, 1.0, 4.0], 2.0) == 1.0
    assert nearest([None]) is None


def test_families_lead_with_pgd_in_linf(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"), Model("pair", ("semantic", "depth"))), with_panels=False)
    found = families(effects(run.rows))
    assert [(f.setting.model, f.setting.attack, f.setting.norm) for f in found[:3]] == [
        ("uninet", "pgd", "linf"),
        ("uninet", "pgd", "rms"),
        ("uninet", "fgsm", "linf"),
    ]
    assert {f.setting.attack for f in leading(found)} == {"pgd"}
    assert [m.epsilon for m in found[0].matrices] == [0.5, 1, 2, 4]
    assert found[0].chosen.epsilon == 1
    assert len(found[0].chosen.objectives) == 15


def test_own_losses_and_the_multi_task_loss() -> None:
    cells = {(a, b): 0.4 if a == b else 0.8 for a in ("semantic", "depth") for b in ("semantic", "depth")}
    (text,) = own_losses(matrix(cells), {})
    assert "2 of 2 tasks lose clearly most under their own loss (semantic segmentation, depth)" in text
    (text,) = own_losses(matrix({**cells, ("depth", "semantic"): 0.45, ("semantic", "depth"): 0.3}), {})
    assert "0 of 2 tasks" in text
    assert "for semantic segmentation the intervals overlap" in text
    assert "depth loses more under another task's loss" in text
    (text,) = multi_task_loss(matrix({**cells, ("group:all", "semantic"): 0.2, ("group:all", "depth"): 0.42}), {})
    assert "more than its own loss from semantic segmentation; an amount not told apart" in text


def test_hiding_table_three(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    found = hidings(run.class_rows)
    assert [one.epsilon for one in found] == [0.5, 1, 2, 4]
    (one,) = chosen(found)
    assert one.epsilon == 2
    table = hiding_table(one)
    assert [line.label for line in table.lines[:-1]] == [
        "semantic segmentation",
        "object detection",
        "instance segmentation",
        "depth",
        "instance depth",
    ]
    lines = {line.label: [cell.main for cell in line.cells] for line in table.lines}
    assert lines["depth"] == ["5.020 m", "0.550", "5.020 m", "0.140"]
    assert lines["semantic segmentation"] == ["0.777", "0.130", "0.777", "0.630"]
    assert lines["realised SNR"][1] == "41.2 dB"
    contrasted = hiding_contrast(one, {})
    assert contrasted is not None
    lost = 1 - HIDDEN["semantic"]["depth"], 1 - HIDDEN["depth"]["semantic"]
    assert [loss.value for loss in contrasted.losses] == pytest.approx(lost)
    assert contrasted.difference.low == pytest.approx(lost[0] - lost[1] - math.hypot(HALF, HALF))


def test_swapped_shapes(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    on_semantic, on_detection = swaps(run.class_rows)
    assert shape_sentence(on_semantic, {}) == ""
    assert on_detection.metrics == ["ap", "cls_loss", "reg_loss", "aspect_ratio"]
    outcomes = [r for r in run.rows if r.metric == "targets_reached"]
    text = shape_sentence(on_detection, {}, outcomes)
    assert "81.0 % of the targets reached the other class" in text
    assert "person 0.440 before and 0.620 (no interval) after; car 1.830 before" in text
    assert "the shapes swapped along with the classes, as far as values without an interval tell" in text
    person, car = on_detection.cells["person", "aspect_ratio"], on_detection.cells["car", "aspect_ratio"]
    sure = {key(person): np.full(200, 0.62), key(car): np.full(200, 1.31)}
    assert shape_sentence(on_detection, sure).endswith("the shapes swapped along with the classes.")
    wide = {**sure, key(car): np.linspace(0.8, 1.6, 200)}
    assert "do not both tell clearly" in shape_sentence(on_detection, wide)
    crossed = {
        ("person", "aspect_ratio"): replace(person, value=1.7),
        ("car", "aspect_ratio"): replace(car, value=0.5),
    }
    assert "did not swap along" in shape_sentence(replace(on_detection, cells=crossed), {})
    assert [one.sign for one in shapes(replace(on_detection, cells=crossed), {})] == [-1, -1]
    gone = {**on_detection.cells, ("car", "aspect_ratio"): replace(car, value=None)}
    assert "no box of one of the classes is left" in shape_sentence(replace(on_detection, cells=gone), {})
    lines = [(line.label, line.tag, *(cell.main for cell in line.cells)) for line in swap_table(on_detection).lines]
    assert lines[0] == ("person", "AP", "0.400", "0.080", "0.200")
    assert lines[-1] == ("car", "width / height", "1.830", "1.310", "–")


def test_failed_cells_have_no_numbers(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    gone = (run.summary["objective"] == "depth") & (run.summary["epsilon"] == 1) & (run.summary["task"] == "semantic")
    summary = run.summary.assign(status=run.summary["status"].where(~gone, "failed"))
    found = effects(read_rows(summary))
    table = effects_table(found)
    lost = table[(table["objective"] == "depth") & (table["epsilon"] == 1) & (table["task"] == "semantic")]
    assert len(lost) == 3
    assert lost[["value", "ratio", "ratio_low", "ratio_high"]].isna().all(axis=None)
    assert families(found)[0].chosen.known("depth", "semantic") is None


def test_csv_has_every_attacked_cell_of_curve_metrics(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    table = effects_table(effects(run.rows))
    assert list(table.columns) == COLUMNS
    expected = run.summary[(run.summary["objective"] != "") & ~run.summary["metric"].str.startswith("targets")]
    assert len(table) == len(expected)
    assert set(table["attack"]) == {"pgd", "fgsm", "hide", "dag"}
    assert np.array_equal(table["ratio"], expected["ratio"])


def test_norms_models_and_radii(tmp_path: Path) -> None:
    # rms is the same run at another radius, so the order of the cells is the same.
    run = five_tasks(tmp_path, (Model("a"), Model("b", lost={("semantic", "depth"): 0.5})), with_panels=False)
    found = families(effects(run.rows))
    pairs = norm_pairs(found)
    assert [(a.setting.norm, b.setting.norm) for a, b in pairs] == [("linf", "rms"), ("linf", "rms")]
    sentence = norm_sentence(*pairs[0])
    assert "is 1.00 (n = 75), and 1.00 (n = 53) over the tasks that were not attacked" in sentence
    assert "The largest change is that of" in sentence
    table = model_table(found)
    assert table is not None
    line = next(line for line in table.lines if line.tag == "street, PGD (L∞) at ε = 1")
    by_model = {f.setting.model: f.chosen for f in found if f.setting.attack == "pgd" and f.setting.norm == "linf"}
    assert line.cells[0].main == agreement(by_model["a"], by_model["b"], off_diagonal=True).text()
    assert not line.cells[0].main.startswith("1.00")
    radii = radius_table(found)
    assert radii is not None
    assert [cell.main for cell in radii.lines[0].cells] == [
        "1.00 (n = 53)",
        "reference",
        "1.00 (n = 53)",
        "1.00 (n = 53)",
    ]
