"""Matrices, contrasts and rank correlations against closed forms."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from robustbench_seg.attacks.objectives.base import Role
from robustbench_seg.registries import TASKS
from robustbench_seg.report.outcomes import outcomes
from robustbench_seg.report.relationships.agreement import (
    FEWEST,
    agreement,
    epsilon_table,
    model_table,
    norm_pairs,
    norm_table,
    spearman,
)
from robustbench_seg.report.relationships.contrasts import (
    PAIRED,
    UNPAIRED,
    Side,
    cohesion,
    contrast,
    directions,
    multi_task_loss,
    own_losses,
)
from robustbench_seg.report.relationships.effects import COLUMNS, effects_of
from robustbench_seg.report.relationships.hiding import hiding_table
from robustbench_seg.report.relationships.matrix import Matrix, Setting, leading, nearest, objective_sweeps
from robustbench_seg.report.relationships.objectives import described, group, is_own, ordered_objectives, ordered_tasks
from robustbench_seg.report.relationships.study import opened_study
from robustbench_seg.report.relationships.swapping import shapes, swap_metrics, swap_reached, swap_table
from robustbench_seg.results.intervals import OPEN, UNKNOWN
from robustbench_seg.results.rows import Row, table
from robustbench_seg.results.sample import Sample
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
    return Matrix(SETTING, 1.0, {pair: row(*pair, q, half) for pair, q in cells.items()})


def unsampled(row: Row) -> None:
    """No store: no row has a sample."""


ASYMMETRIC = {
    (attacked, measured): 1 - (0.6 if attacked == measured else 0.2 if attacked in SEMANTIC else 0.05)
    for attacked in FIVE
    for measured in FIVE
}
"""Attacks on semantic tasks take .2 of everything else, those on geometric tasks .05."""


def test_known_asymmetry() -> None:
    (found,) = directions(matrix(ASYMMETRIC), unsampled)
    assert [side.name for side in (found.first, found.second)] == [
        "semantic → geometric, 6 cells",
        "geometric → semantic, 6 cells",
    ]
    assert (found.first.value, found.second.value, found.difference) == pytest.approx((0.2, 0.05, 0.15))
    # Means of equal intervals keep their width; two independent ones add in quadrature.
    assert found.first.interval == pytest.approx((0.15, 0.25))
    spread = math.hypot(0.05, 0.05)
    assert found.intervals == {UNPAIRED: pytest.approx((0.15 - spread, 0.15 + spread))}
    assert (found.sign, found.verdict) == (1, "semantic → geometric stronger")


def test_the_reverse_asymmetry_and_an_undecided_one() -> None:
    (found,) = directions(matrix({(b, a): q for (a, b), q in ASYMMETRIC.items()}), unsampled)
    assert found.difference == pytest.approx(-0.15)
    assert (found.sign, found.verdict) == (-1, "geometric → semantic stronger")
    (wide,) = directions(matrix(ASYMMETRIC, half=0.2), unsampled)
    assert (wide.sign, wide.verdict) == (0, OPEN)


def test_without_intervals_nothing_is_claimed() -> None:
    (found,) = directions(matrix(ASYMMETRIC, half=None), unsampled)
    assert found.difference == pytest.approx(0.15)
    assert (found.sign, found.verdict) == (0, UNKNOWN)
    assert {one.sign for one in own_losses(matrix(ASYMMETRIC, half=None), unsampled)} == {0}


def test_missing_cells_are_left_out_and_never_zero() -> None:
    made = matrix({**ASYMMETRIC, ("semantic", "depth"): None})
    assert made.ratio("semantic", "depth") is None
    assert made.ratio("no such", "depth") is None
    (found,) = directions(made, unsampled)
    assert found.first.name.endswith("5 cells")
    assert found.first.value == pytest.approx(0.2)
    assert directions(matrix({pair: q for pair, q in ASYMMETRIC.items() if pair[0] in SEMANTIC}), unsampled) == []


def test_same_group_against_the_other() -> None:
    cells = {(a, b): 0.4 if a == b else 0.7 if (a in SEMANTIC) == (b in SEMANTIC) else 0.9 for a in FIVE for b in FIVE}
    (found,) = cohesion(matrix(cells), unsampled)
    assert (found.first.name, found.second.name) == ("same group, 8 cells", "other group, 12 cells")
    assert (found.first.value, found.second.value) == pytest.approx((0.3, 0.1))
    assert found.verdict == "same group stronger"
    assert (
        cohesion(matrix({(a, b): 0.5 for a in ("semantic", "depth") for b in ("semantic", "depth")}), unsampled) == []
    )


def test_group_losses_are_measured_on_the_other_group() -> None:
    cells = {("group:semantic", task): 0.7 for task in FIVE} | {("group:geometric", task): 0.9 for task in FIVE}
    (found,) = directions(matrix(cells), unsampled)
    assert found.subject == "group losses"
    assert found.first.name.endswith(f"{len(GEOMETRIC)} cells")
    assert found.second.name.endswith(f"{len(SEMANTIC)} cells")
    assert found.difference == pytest.approx(0.2)


def test_samples_give_the_interval_of_the_difference() -> None:
    first, second = row("semantic", "depth", 0.7), row("depth", "semantic", 0.8)
    noise = np.random.default_rng(0).normal(0, 0.01, 40)
    # Both fall on the same images: the difference is .1 without any of them, however wide the single intervals are.
    samples = {first: Sample(0.7, 0.7 + noise), second: Sample(0.8, 0.8 + noise)}
    sides = Side("a", [first]), Side("b", [second])
    (found,) = contrast("", "", sides, samples.get)
    assert found.intervals == {PAIRED: pytest.approx((0.1, 0.1))}
    assert found.first.interval is not None
    low, high = samples[first].interval
    assert found.first.interval == pytest.approx((1 - high, 1 - low))
    assert found.verdict == "a stronger"
    (half,) = contrast("", "", sides, {first: samples[first]}.get)
    assert list(half.intervals) == [UNPAIRED]


def test_ratios_are_used_as_they_are_oriented(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    cell = next(
        r for r in effects_of(run.rows) if (r.objective, r.task, r.epsilon, r.norm) == ("semantic", "depth", 1, "linf")
    )
    assert cell.direction == "lower"
    assert cell.ratio == pytest.approx(cell.clean / cell.value)
    sweep = objective_sweeps(effects_of(run.rows))[0]
    assert sweep.chosen.ratio("semantic", "depth") == cell.ratio


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
    assert described("hide:person@depth").role is described("swap:a,b@semantic").role is Role.TARGETED


def test_order_of_tasks_and_objectives() -> None:
    mixed = ["instance_depth", "gaze", "depth", "instance", "semantic", "detection"]
    assert ordered_tasks(mixed) == ["semantic", "detection", "instance", "depth", "instance_depth", "gaze"]
    objectives = ["group:geometric", "loss:depth", "gaze", "group:all", "loss:cls", "depth", "semantic", "hide:x@depth"]
    assert ordered_objectives(objectives, mixed) == [
        *("semantic", "depth", "gaze"),
        *("loss:cls", "loss:depth"),
        *("group:all", "group:geometric"),
    ]


def test_a_plugin_task_is_asked_for_its_group_and_may_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert group("gaze") == ""
    declared = {"gaze": type("Gaze", (), {"group": "geometric"}), "mood": type("Mood", (), {"group": None})}
    monkeypatch.setattr(type(TASKS), "__contains__", lambda self, name: name in declared)
    monkeypatch.setattr(type(TASKS), "get", lambda self, name: declared[name])
    assert (group("gaze"), group("mood")) == ("geometric", "")


def test_an_ungrouped_task_is_in_the_matrix_but_in_no_direction() -> None:
    cells = {**ASYMMETRIC, **{(task, "gaze"): 0.1 for task in FIVE}, ("gaze", "gaze"): 0.2, ("gaze", "depth"): 0.3}
    assert directions(matrix(cells), unsampled) == directions(matrix(ASYMMETRIC), unsampled)
    assert matrix(cells).tasks[-1] == "gaze"


def test_reference_epsilon() -> None:
    assert nearest([0.25, 1.0, 4.0]) == 1.0
    assert nearest([0.5, 2.0]) == 0.5
    assert nearest([4.0, 8.0]) == 4.0
    assert nearest([0.5, 1.0, 4.0], 2.0) == 1.0
    assert nearest([None]) is None


def test_sweeps_lead_with_pgd_in_linf(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"), Model("pair", ("semantic", "depth"))), with_panels=False)
    found = objective_sweeps(effects_of(run.rows))
    assert [(f.setting.model, f.setting.attack, f.setting.norm) for f in found[:3]] == [
        ("uninet", "pgd", "linf"),
        ("uninet", "pgd", "rms"),
        ("uninet", "fgsm", "linf"),
    ]
    assert {f.setting.attack for f in leading(found)} == {"pgd"}
    assert [m.epsilon for m in found[0].matrices] == [0.5, 1, 2, 4]
    assert found[0].chosen.epsilon == 1
    assert len(found[0].chosen.objectives) == 15


def test_own_losses_against_the_closest_rival() -> None:
    cells = {(a, b): 0.4 if a == b else 0.8 for a in ("semantic", "depth") for b in ("semantic", "depth")}
    assert [one.verdict for one in own_losses(matrix(cells), unsampled)] == ["own loss stronger"] * 2
    found = own_losses(matrix({**cells, ("depth", "semantic"): 0.45, ("semantic", "depth"): 0.2}), unsampled)
    assert [(one.subject, one.sign) for one in found] == [("semantic segmentation", 0), ("depth", -1)]
    assert found[1].second.name == "semantic segmentation"


def test_the_multi_task_loss_against_the_own() -> None:
    cells = {(a, a): 0.4 for a in ("semantic", "depth")}
    found = multi_task_loss(matrix({**cells, ("group:all", "semantic"): 0.2, ("group:all", "depth"): 0.42}), unsampled)
    assert [one.sign for one in found] == [1, 0]
    assert found[0].verdict == "all tasks (multi-task loss) stronger"


def test_hiding_table_three(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    with opened_study([run], tmp_path) as study:
        (sweep,) = study.hidings
    assert [matrix.epsilon for matrix in sweep.matrices] == [0.5, 1, 2, 4]
    one = sweep.chosen
    assert (one.epsilon, one.subject) == (2, "person")
    table = hiding_table(one, outcomes(study.outcomes))
    assert [line.label for line in table.lines[:-2]] == [
        "semantic segmentation",
        "object detection",
        "instance segmentation",
        "depth",
        "instance depth",
    ]
    lines = {line.label: [cell.main for cell in line.cells] for line in table.lines}
    assert lines["depth"] == ["5.020 m", "0.550", "5.020 m", "0.140"]
    assert lines["semantic segmentation"] == ["0.777", "0.130", "0.777", "0.630"]
    assert lines["targets: changed, reached"] == ["99.96 %", "41.0 %"] * 2
    assert lines["realised SNR"][1] == "41.2 dB"
    assert [line.label for line in hiding_table(one, {}).lines][-2:] == ["instance depth", "realised SNR"]
    (contrasted,) = directions(one, unsampled)
    assert contrasted.subject == "hiding person"
    rivals = ([(a, b) for b in GEOMETRIC] for a in ("semantic",))
    first = np.mean([1 - HIDDEN[a][b] for pairs in rivals for a, b in pairs])
    second = np.mean([1 - HIDDEN["depth"][b] for b in SEMANTIC])
    assert (contrasted.first.value, contrasted.second.value) == pytest.approx((first, second))
    assert contrasted.intervals[UNPAIRED][0] == pytest.approx(first - second - math.hypot(HALF, HALF))


def test_swapped_shapes(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    with opened_study([run], tmp_path) as study:
        on_semantic, on_detection = study.swaps
    assert shapes(on_semantic, unsampled) == []
    text = "97.0 % of its targets changed, 81.0 % reached what was wanted"
    assert [swap_reached(swap, study.outcomes) for swap in study.swaps] == [text] * 2
    assert swap_reached(on_semantic, []) == ""
    assert swap_metrics(on_detection) == ["aspect_ratio", "ap", "cls_loss", "reg_loss"]
    person, car = on_detection.cells["person", "aspect_ratio"], on_detection.cells["car", "aspect_ratio"]
    assert [one.verdict for one in shapes(on_detection, unsampled)] == [UNKNOWN] * 2
    sure = {person: Sample(0.62, np.full(200, 0.62)), car: Sample(1.31, np.full(200, 1.31))}
    found = shapes(on_detection, sure.get)
    assert [(one.subject, one.sign) for one in found] == [("person", 1), ("car", 1)]
    assert [one.verdict for one in found] == ["keeps the shape of person", "keeps the shape of car"]
    assert [one.second.value for one in found] == pytest.approx([(0.44 + 1.83) / 2] * 2)
    wide = {**sure, car: Sample(1.31, np.linspace(1.21, 1.41, 20))}
    assert [one.sign for one in shapes(on_detection, wide.get)] == [1, 0]
    crossed = {
        ("person", "aspect_ratio"): replace(person, value=1.7),
        ("car", "aspect_ratio"): replace(car, value=0.5),
    }
    apart = {row: Sample(row.value or 0.0, np.full(200, row.value)) for row in crossed.values()}
    assert [one.sign for one in shapes(replace(on_detection, cells=crossed), apart.get)] == [-1, -1]
    gone = {**on_detection.cells, ("car", "aspect_ratio"): replace(car, value=None)}
    assert shapes(replace(on_detection, cells=gone), sure.get) == []
    lines = {(line.label, line.tag): [cell.main for cell in line.cells] for line in swap_table(on_detection).lines}
    assert lines["person", "AP"] == ["0.400", "0.080", "0.200"]
    assert lines["car", "width / height"] == ["1.830", "1.310", "–"]


def test_failed_cells_have_no_numbers(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    rows = [
        replace(one, status="failed") if (one.objective, one.epsilon, one.task) == ("depth", 1, "semantic") else one
        for one in run.rows
    ]
    found = effects_of(rows)
    lost = [one for one in found if one.failed]
    assert len(lost) == 3
    assert {(one.value, one.ratio, one.ratio_low, one.ratio_high) for one in lost} == {(None,) * 4}
    assert objective_sweeps(found)[0].chosen.known("depth", "semantic") is None


def test_effects_are_every_attacked_cell_of_curve_metrics(tmp_path: Path) -> None:
    run = five_tasks(tmp_path, (Model("uninet"),), with_panels=False)
    found = table(effects_of(run.rows), COLUMNS)
    expected = run.summary[(run.summary["objective"] != "") & ~run.summary["metric"].str.startswith("targets")]
    assert len(found) == len(expected)
    assert set(found["attack"]) == {"pgd", "fgsm", "hide", "dag"}
    assert np.array_equal(found["ratio"], expected["ratio"])


def test_norms_models_and_epsilons(tmp_path: Path) -> None:
    # rms is the same run at another ε, so the order of the cells is the same.
    run = five_tasks(tmp_path, (Model("a"), Model("b", lost={("semantic", "depth"): 0.5})), with_panels=False)
    found = objective_sweeps(effects_of(run.rows))
    pairs = norm_pairs(found)
    assert [(a.setting.norm, b.setting.norm) for a, b in pairs] == [("linf", "rms"), ("linf", "rms")]
    first = norm_table(pairs).lines[0]
    assert [cell.main for cell in first.cells[:2]] == ["1.00 (n = 53)", "1.00 (n = 75)"]
    assert first.cells[2].main.startswith("Q 0.")
    models = model_table(found)
    assert models is not None
    line = next(line for line in models.lines if line.tag == "street, PGD (L∞) at ε = 1")
    by_model = {f.setting.model: f.chosen for f in found if f.setting.attack == "pgd" and f.setting.norm == "linf"}
    assert line.cells[0].main == agreement(by_model["a"], by_model["b"], off_diagonal=True).text()
    assert not line.cells[0].main.startswith("1.00")
    epsilons = epsilon_table(found)
    assert epsilons is not None
    assert [cell.main for cell in epsilons.lines[0].cells] == [
        "1.00 (n = 53)",
        "reference",
        "1.00 (n = 53)",
        "1.00 (n = 53)",
    ]
