"""Paired differences from real stores, against closed forms and independent references."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind, ttest_rel

from robustbench_seg.results.differences import Difference, compare, corrected, differences_table
from robustbench_seg.results.groups import Group, parse_groups
from robustbench_seg.results.intervals import OPEN, UNKNOWN, interval
from robustbench_seg.results.run import Run
from robustbench_seg.results.sample import mean_of
from robustbench_seg.results.store import Store
from tests.results.stored_runs import stored_run

N = 40
RNG = np.random.default_rng(5)
HARDNESS = RNG.uniform(1.0, 9.0, N)
"""RMSE of each image in metres: some are hard for every model."""


def model(shift: float = 0.0, noise: float = 0.0, seed: int = 0) -> dict[float, list[float]]:
    """Errors clean and at ε = 1, 4: the hardness of the images, a shift, and what is the model's own."""
    own = np.random.default_rng(seed).normal(0, 1, (3, N))
    levels = {0.0: HARDNESS, 1.0: 1.5 * HARDNESS, 4.0: 3 * HARDNESS}
    return {
        epsilon: [float(x) for x in level + shift + noise * one]
        for (epsilon, level), one in zip(levels.items(), own, strict=True)
    }


def alone(*names: str) -> tuple[Group, ...]:
    return parse_groups([], names)


def differences(runs: list[Run], groups: tuple[Group, ...]) -> list[Difference]:
    return list(compare(runs, groups).differences)


def one(found: list[Difference], quantity: str, epsilon: float = 0.0, metric: str = "rmse") -> Difference:
    (chosen,) = [d for d in found if (d.quantity, d.epsilon, d.metric) == (quantity, epsilon, metric)]
    return chosen


def test_a_copy_differs_by_nothing(tmp_path: Path) -> None:
    runs = [stored_run(tmp_path / name, {name: model(noise=0.3)}) for name in "ab"]
    found = differences(runs, alone("a", "b"))
    # Seven depth metrics: the value clean and at two epsilons, Q at the two.
    assert len(found) == 7 * 5
    for d in found:
        assert (d.difference, d.image_low, d.image_high) == (0, 0, 0)
        assert (d.seed_low, d.seed_high, d.seeds_a, d.seeds_b, d.n_images) == (None, None, 1, 1, N)
        assert d.verdict == OPEN


def test_a_constant_shift_has_no_spread(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", {"a": model(), "b": model(shift=0.5)})
    for epsilon in (0.0, 1.0, 4.0):
        d = one(differences([run], alone("a", "b")), "value", epsilon)
        assert (d.difference, d.image_low, d.image_high) == pytest.approx((0.5, 0.5, 0.5))
        assert (d.verdict, d.direction) == ("higher", "lower")


def test_the_interval_of_q_leaves_out_the_same_images(tmp_path: Path) -> None:
    a, b = model(noise=0.3, seed=1), model(shift=0.2, noise=0.3, seed=2)
    runs = [stored_run(tmp_path / "x", {"a": a}), stored_run(tmp_path / "y", {"b": b})]

    def q(cells: dict[float, list[float]], weight: np.ndarray) -> np.ndarray:
        return (weight @ np.array(cells[0.0])) / (weight @ np.array(cells[4.0]))

    d = one(differences(runs, alone("a", "b")), "ratio", 4.0)
    whole = np.ones(N)
    assert (d.a, d.b) == pytest.approx((q(a, whole), q(b, whole)))
    assert d.difference == pytest.approx(q(b, whole) - q(a, whole))
    others = 1 - np.eye(N)
    assert (d.image_low, d.image_high) == pytest.approx(interval(d.difference, q(b, others) - q(a, others)))


def test_pairing_narrows_the_interval_of_models_that_fail_alike(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", {"a": model(noise=0.2, seed=1), "b": model(shift=0.3, noise=0.2, seed=2)})
    d = one(differences([run], alone("a", "b")), "value")
    single = mean_of(HARDNESS).interval
    assert d.image_high - d.image_low < (single[1] - single[0]) / 5
    assert d.verdict == "higher"


def test_the_order_of_groups_turns_the_sign_and_that_of_runs_and_trainings_nothing(tmp_path: Path) -> None:
    names = ("a0", "a1", "b0", "b1")
    cells = [model(shift=0.1 * i, noise=0.5, seed=i) for i in range(4)]
    runs = [stored_run(tmp_path / name, {name: one}) for name, one in zip(names, cells, strict=True)]
    forward = differences(runs, parse_groups(["a=a0,a1", "b=b0,b1"], names))
    again = differences(runs[::-1], parse_groups(["a=a1,a0", "b=b1,b0"], names))
    back = differences(runs, parse_groups(["b=b0,b1", "a=a0,a1"], names))
    for quantity, epsilon in (("value", 0.0), ("value", 4.0), ("ratio", 1.0)):
        d, same, turned = (one(found, quantity, epsilon) for found in (forward, again, back))
        ends = d.image_low, d.image_high, d.seed_low, d.seed_high
        assert (same.difference, same.image_low, same.image_high, same.seed_low, same.seed_high) == pytest.approx(
            (d.difference, *ends)
        )
        assert (turned.difference, turned.image_high, turned.image_low, turned.seed_high, turned.seed_low) == (
            pytest.approx(tuple(-x for x in (d.difference, *ends)))
        )


def test_groups_are_compared_by_their_means(tmp_path: Path) -> None:
    cells = {f"m{i}": model(shift=0.3 * i, noise=0.5, seed=i) for i in range(5)}
    run = stored_run(tmp_path / "run", cells)
    d = one(differences([run], parse_groups(["a=m0,m1", "b=m2,m3,m4"], list(cells))), "value", 1.0)
    means = [np.mean(errors[1.0]) for errors in cells.values()]
    welched = ttest_ind(means[2:], means[:2], equal_var=False).confidence_interval()
    assert (d.seed_low, d.seed_high) == pytest.approx((welched.low, welched.high))
    assert (d.a, d.b, d.seeds_a, d.seeds_b) == pytest.approx((np.mean(means[:2]), np.mean(means[2:]), 2, 3))
    images = np.array([errors[1.0] for errors in cells.values()])
    tested = ttest_1samp(images[2:].mean(0) - images[:2].mean(0), 0).confidence_interval()
    assert (d.image_low, d.image_high) == pytest.approx((tested.low, tested.high), rel=0.1)


def test_an_image_that_failed_for_one_is_left_out_for_both(tmp_path: Path) -> None:
    a, b = model(noise=0.3, seed=1), model(noise=0.3, seed=2)
    left = [i for i in range(N) if i not in (3, 7)]
    expected = {
        epsilon: (np.mean([a[epsilon][i] for i in left]), np.mean([b[epsilon][i] for i in left])) for epsilon in a
    }
    a[4.0] = [None if i == 3 else x for i, x in enumerate(a[4.0])]
    b[4.0] = [None if i == 7 else x for i, x in enumerate(b[4.0])]
    run = stored_run(tmp_path / "run", {"a": a, "b": b})
    found = differences([run], alone("a", "b"))
    value, ratio = one(found, "value", 4.0), one(found, "ratio", 4.0)
    assert (value.a, value.b) == pytest.approx(expected[4.0])
    assert ratio.a == pytest.approx(expected[0.0][0] / expected[4.0][0])
    assert value.image_low < value.difference < value.image_high
    assert one(found, "value", 1.0).a == pytest.approx(np.mean(a[1.0]))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"seed": 1}, "their runs have other seeds"),
        ({"groups": [f"clip-{i // 4}" for i in range(N)]}, "their images are grouped otherwise"),
        ({"ids": [f"other-{i}" for i in range(N)]}, "they were measured on other images"),
        ({"fingerprint": "ffff"}, "they were measured on other images"),
    ],
)
def test_what_was_measured_otherwise_has_no_interval_and_a_note(tmp_path: Path, other: dict, reason: str) -> None:
    runs = [
        stored_run(tmp_path / "x", {"a0": model(), "a1": model(0.1)}),
        stored_run(tmp_path / "y", {"b0": model(2.0), "b1": model(2.1)}, **other),
    ]
    compared = compare(runs, parse_groups(["a=a0,a1", "b=b0,b1"], ["a0", "a1", "b0", "b1"]))
    assert compared.notes == (f"a and b on street: no interval, {reason}.",)
    d = one(list(compared.differences), "value")
    assert d.difference == pytest.approx(2.0, rel=1e-5)
    assert d.intervals == {}
    assert d.verdict == UNKNOWN


def test_other_parameters_of_an_attack_leave_the_clean_comparison(tmp_path: Path) -> None:
    runs = [
        stored_run(tmp_path / "x", {"a": model()}, params={"steps": 1}),
        stored_run(tmp_path / "y", {"b": model(1.0)}, params={"steps": 9}),
    ]
    compared = compare(runs, alone("a", "b"))
    assert compared.notes == ("a and b on street: no interval, the attack had other parameters.",)
    assert one(list(compared.differences), "value").verdict == "higher"
    assert one(list(compared.differences), "value", 4.0).intervals == {}


def test_other_classes_matter_to_tasks_with_classes_alone(tmp_path: Path) -> None:
    share = {0.0: [0.9] * N, 1.0: [0.6] * N}
    tasks = ("semantic", "depth")
    runs = [
        stored_run(tmp_path / "x", {"a": share}, tasks=tasks),
        stored_run(tmp_path / "y", {"b": share}, tasks=tasks, classes=("road", "bus")),
    ]
    compared = compare(runs, alone("a", "b"))
    assert compared.notes == ("a and b on street: no interval, they were scored in other classes.",)
    paired = {d.task for d in compared.differences if d.intervals}
    assert paired == {"depth"}
    assert {d.task for d in compared.differences} == set(tasks)


def test_only_what_both_have_is_compared(tmp_path: Path) -> None:
    both = {epsilon: [0.5] * N for epsilon in (0.0, 1.0)}
    runs = [
        stored_run(tmp_path / "x", {"a": {**both, 2.0: [0.4] * N}}, tasks=("semantic",)),
        stored_run(tmp_path / "y", {"b": both}, tasks=("semantic", "depth")),
    ]
    found = differences(runs, alone("a", "b"))
    assert {(d.task, d.epsilon) for d in found} == {("semantic", 0.0), ("semantic", 1.0)}


def test_without_a_store_numbers_are_those_of_the_tables(tmp_path: Path) -> None:
    cells = {f"m{i}": model(shift=0.3 * i, noise=0.5, seed=i) for i in range(4)}
    run = stored_run(tmp_path / "run", cells)
    groups = parse_groups(["a=m0,m1", "b=m2,m3"], list(cells))
    before = differences([run], groups)
    (run.folder / "store.sqlite").unlink()
    compared = compare([run], groups)
    assert compared.notes == ("a and b on street: no interval from images, the run of m0 has no store any more.",)
    assert len(compared.differences) == len(before)
    for old, new in zip(before, compared.differences, strict=True):
        assert (new.a, new.b) == pytest.approx((old.a, old.b), rel=1e-5)
        assert set(new.intervals) == {"seeds"}
        assert (new.seed_low, new.seed_high) == pytest.approx((old.seed_low, old.seed_high), abs=1e-3)


def test_without_a_store_a_cell_with_failed_images_is_left_out(tmp_path: Path) -> None:
    broken = {**model(), 4.0: [None, *model()[4.0][1:]]}
    run = stored_run(tmp_path / "run", {"a": model(), "b": broken})
    (run.folder / "store.sqlite").unlink()
    compared = compare([run], alone("a", "b"))
    assert {d.epsilon for d in compared.differences} == {0.0, 1.0}
    assert any("left out" in note for note in compared.notes)


def test_every_cell_is_read_once_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = stored_run(tmp_path / "run", {name: model(seed=i) for i, name in enumerate("abc")})
    read: Counter[tuple[int, int, int]] = Counter()
    cell = Store.cell

    def counting(self: Store, *key: int) -> object:
        read[key] += 1
        return cell(self, *key)

    monkeypatch.setattr(Store, "cell", counting)
    differences([run], alone("a", "b", "c"))
    assert dict(read) == {(pair, *place): 1 for pair in range(3) for place in ((0, 0), (1, 0), (1, 1))}


def test_models_of_one_name_are_told_apart_by_run(tmp_path: Path) -> None:
    runs = [stored_run(tmp_path / name, {"net": model(shift)}) for name, shift in (("x", 0.0), ("y", 1.0))]
    groups = alone("net (x)", "net (y)")
    assert one(differences(runs, groups), "value").difference == pytest.approx(1.0)


def test_the_first_group_is_compared_with_each_other_one(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", {name: model(i) for i, name in enumerate("abc")})
    found = differences([run], alone(*"abc"))
    assert list(dict.fromkeys((d.first, d.second) for d in found)) == [("a", "b"), ("a", "c")]
    assert differences([run], alone("a")) == []


def made(p_value: float | None, difference: float = 0.1, **changes: object) -> Difference:
    names = ("a", "b", "street", "depth", "rmse", "lower", "fgsm", "depth", "linf", 1.0, "float", "ratio")
    whole = Difference(*names, 0.5, 0.5 + difference, difference, 0.0, 0.2, None, None, 1, 1, 20, p_value)
    return replace(whole, **changes)


@pytest.mark.parametrize(
    ("difference", "verdict"),
    [
        (made(0.04), "higher"),
        (made(0.04, -0.1), "lower"),
        (made(0.06), OPEN),
        (made(None), UNKNOWN),
        (made(0.001, n_images=7), "too few images (n = 7)"),
    ],
)
def test_a_verdict_is_that_of_the_corrected_p_value(difference: Difference, verdict: str) -> None:
    (found,) = corrected([difference])
    assert (found.p_corrected, found.verdict) == (difference.p_value, verdict)


def test_p_values_are_corrected_among_those_that_a_page_shows() -> None:
    page = [made(0.01), made(0.04), made(None)]
    clean = made(0.02, attack="clean", quantity="value")
    apart = [made(0.04, metric="abs_rel"), made(0.03, quantity="score"), made(0.03, quantity="half_epsilon")]
    found = corrected([*page, clean, *apart])
    assert [each.p_corrected for each in found] == [
        *(pytest.approx(0.03), pytest.approx(0.04), None, pytest.approx(0.04)),
        *(0.04, 0.03, 0.03),
    ]


def test_a_claim_needs_images_and_seeds(tmp_path: Path) -> None:
    """The difference is the same on every image, but trainings differ more among themselves."""
    cells = {name: model(shift=shift) for name, shift in (("a0", 0.0), ("a1", 1.0), ("b0", 0.4), ("b1", 1.2))}
    run = stored_run(tmp_path / "run", cells)
    d = one(differences([run], parse_groups(["a=a0,a1", "b=b0,b1"], list(cells))), "value")
    assert d.image_low == pytest.approx(0.3)
    assert d.p_value == pytest.approx(ttest_rel([0.4, 1.2], [0.0, 1.0]).pvalue)
    assert d.verdict == OPEN


def test_the_table_has_the_fields_in_order(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", {"a": model(), "b": model(0.5)})
    table = differences_table(differences([run], alone("a", "b")))
    assert ",".join(table.columns) == (
        "first,second,dataset,task,metric,direction,attack,objective,norm,epsilon,scored,quantity,a,b,difference,"
        "image_low,image_high,seed_low,seed_high,seeds_a,seeds_b,n_images,p_value,p_corrected,verdict"
    )
    assert len(table) == 7 * 5
    assert list(differences_table([]).columns) == list(table.columns)
