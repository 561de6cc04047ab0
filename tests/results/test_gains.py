"""Δ between groups from real stores, against published rows and by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_1samp

from robustbench_seg.errors import UsageError
from robustbench_seg.results.gains import NEAR_ZERO, Gain, gains_of, gains_table
from robustbench_seg.results.groups import Group, parse_groups
from robustbench_seg.results.intervals import OPEN, UNKNOWN
from robustbench_seg.results.run import Run
from tests.results.stored_runs import stored_run
from tests.results.test_delta import SINGLE, TABLE_1

N = 24
HARD = np.linspace(0.8, 1.2, N)
BOTH = ("semantic", "depth")


def values(clean: float, attacked: float, wobble: float = 0.0) -> dict[float, list[float]]:
    """One number an image, around these means: the RMSE in metres, or the share of pixels that are right."""
    own = wobble * (-1.0) ** np.arange(N)
    return {e: [float(x) for x in mean * HARD + own] for e, mean in ((0.0, clean), (2.0, attacked))}


def run_of(folder: Path, models: Mapping[str, dict], tasks: Sequence[str] = BOTH, **more: object) -> Run:
    return stored_run(folder, models, tasks=tuple(tasks), attacked=tuple(tasks), **more)


def alone(*names: str) -> tuple[Group, ...]:
    return parse_groups([], names)


def undoubted(gains: Sequence[Gain]) -> list[Gain]:
    """The same without what checks say: one number stands for a share and an error, so one of them always looks odd."""
    return [replace(gain, doubted="") for gain in gains]


def miou(share: float) -> float:
    """Of two equally frequent classes, each with this share right."""
    return share / (2 - share)


def test_delta_clean_and_under_an_attack_on_each_task(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"a": values(0.5, 0.4), "b": values(0.6, 0.2)})
    found, notes = gains_of([run], alone("a", "b"))
    assert [(gain.attack, gain.epsilon, gain.tasks, gain.n_images) for gain in found] == [
        ("clean", 0.0, BOTH, N),
        ("fgsm", 2.0, BOTH, N),
    ]
    for gain, (a, b) in zip(found, ((0.5, 0.6), (0.4, 0.2)), strict=True):
        iou = miou(b) / miou(a) - 1
        rmse = 1 - b / a
        assert gain.gain == pytest.approx(50 * (iou + rmse))
        assert gain.image_low < gain.gain < gain.image_high
        assert (gain.seed_low, gain.seed_high, gain.seeds) == (None, None, 1)
    assert not notes


def test_a_reference_of_one_task_each(tmp_path: Path) -> None:
    runs = [
        run_of(tmp_path / "s", {"semantic": values(0.5, 0.4)}, ["semantic"]),
        run_of(tmp_path / "d", {"depth": values(0.5, 0.4)}, ["depth"]),
        run_of(tmp_path / "m", {"multi": values(0.6, 0.2)}),
    ]
    split = gains_of(runs, parse_groups(["single=semantic,depth"], ["semantic", "depth", "multi"])).gains
    joint = run_of(tmp_path / "j", {"a": values(0.5, 0.4), "multi": values(0.6, 0.2)})
    whole = gains_of([joint], alone("a", "multi")).gains
    for one, other in zip(split, whole, strict=True):
        assert (one.gain, one.image_low, one.image_high) == pytest.approx(
            (other.gain, other.image_low, other.image_high)
        )
        assert one.pair == "multi against single"


def test_the_interval_over_seeds_is_that_of_the_gains_of_the_pairs(tmp_path: Path) -> None:
    shares = {"a0": 0.50, "a1": 0.52, "a2": 0.51, "b0": 0.60, "b1": 0.59, "b2": 0.66}
    run = run_of(tmp_path / "run", {name: values(share, share / 2) for name, share in shares.items()})
    groups = parse_groups(["a=a0,a1,a2", "b=b0,b1,b2"], list(shares))
    gain = gains_of([run], groups).gains[0]
    assert gain.attack == "clean"
    rmse = np.array(list(shares.values())).reshape(2, 3)
    assert gain.seeds == 3
    relative = (rmse[0] - rmse[1]) / rmse[0].mean()
    single = {name: miou(share) for name, share in shares.items()}
    first, second = (np.array([single[f"{side}{i}"] for i in range(3)]) for side in "ab")
    by_seed = 50 * (relative + (second - first) / first.mean())
    expected = ttest_1samp(by_seed, 0).confidence_interval()
    assert gain.gain == pytest.approx(by_seed.mean())
    assert (gain.seed_low, gain.seed_high) == pytest.approx((expected.low, expected.high))


def test_groups_of_other_sizes_have_no_interval_over_seeds(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {name: values(0.5 + at / 50, 0.4) for at, name in enumerate(("a", "b0", "b1"))})
    gain = gains_of([run], parse_groups(["b=b0,b1"], ["a", "b0", "b1"])[::-1]).gains[0]
    assert (gain.seeds, gain.seed_low, gain.first, gain.second) == (1, None, "a", "b")


def test_a_partial_delta_is_over_the_tasks_asked_for(tmp_path: Path) -> None:
    pair, triple = ("semantic", "depth"), ("semantic", "depth", "edges")
    runs = [run_of(tmp_path / "run", {"a": values(0.5, 0.4), "b": values(0.6, 0.4)})]
    assert gains_of(runs, alone("a", "b"), pair).gains == gains_of(runs, alone("a", "b")).gains
    with pytest.raises(UsageError, match=r"--tasks: unknown task 'edges'"):
        gains_of(runs, alone("a", "b"), triple)
    for tasks in (["depth"], ["depth", "depth"]):
        with pytest.raises(UsageError, match="two tasks or more, each given once"):
            gains_of(runs, alone("a", "b"), tasks)


def test_what_does_not_meet_every_task_has_no_delta(tmp_path: Path) -> None:
    run = stored_run(tmp_path / "run", {"a": values(0.5, 0.4), "b": values(0.6, 0.4)}, tasks=BOTH)
    assert [gain.attack for gain in gains_of([run], alone("a", "b")).gains] == ["clean"]
    lone = stored_run(tmp_path / "lone", {"a": values(0.5, 0.4), "b": values(0.6, 0.4)})
    assert not gains_of([lone], alone("a", "b")).gains


def test_verdicts(tmp_path: Path) -> None:
    models = {"a": values(0.5, 0.4), "copy": values(0.5, 0.4)}
    run = run_of(tmp_path / "run", models)
    assert {gain.verdict for gain in undoubted(gains_of([run], alone("a", "copy")).gains)} == {OPEN}
    # Both tasks hold the same numbers: mIoU gains more than RMSE loses.
    steep = run_of(tmp_path / "steep", {"a": values(0.5, 0.04), "b": values(0.7, 0.06)})
    clean, attacked = undoubted(gains_of([steep], alone("a", "b")).gains)
    assert (clean.verdict, attacked.verdict) == ("better", NEAR_ZERO)
    assert attacked.left == pytest.approx(miou(0.04) / miou(0.5), rel=1e-4)


def test_what_is_made_of_a_doubted_number_says_so(tmp_path: Path) -> None:
    # Under the attack the error falls by half, which a check doubts.
    run = run_of(tmp_path / "run", {"a": values(0.8, 0.4), "b": values(0.9, 0.45)})
    attacked = gains_of([run], alone("a", "b")).gains[1]
    assert "rising_curve" in attacked.doubted
    assert attacked.verdict == f"not to be believed: {attacked.doubted}"


def test_without_a_store_the_numbers_stay_and_the_intervals_go(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"a": values(0.5, 0.4), "b": values(0.6, 0.2)})
    before = gains_of([run], alone("a", "b")).gains
    (run.folder / "store.sqlite").unlink()
    after, notes = gains_of([Run(run.folder)], alone("a", "b"))
    assert [gain.gain for gain in after] == pytest.approx([gain.gain for gain in before], rel=1e-4)
    assert {(gain.image_low, gain.p_value, gain.verdict) for gain in undoubted(after)} == {(None, None, UNKNOWN)}
    assert notes == ("Δ of b against a on street: no interval, the run of a has no store any more.",)


def test_the_table(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"a": values(0.5, 0.4), "b": values(0.6, 0.2)})
    table = gains_table(gains_of([run], alone("a", "b")).gains)
    assert table.iloc[0][["first", "second", "attack", "tasks"]].tolist() == ["a", "b", "clean", "semantic+depth"]
    assert table["p_corrected"].ge(table["p_value"]).all()


@pytest.mark.parametrize("name", TABLE_1)
def test_published_rows(tmp_path: Path, name: str) -> None:
    """UniNet 2021, table 1, from runs whose images have these mIoU (as shares) and RMSE."""
    miou_b, rmse_b, expected = TABLE_1[name]

    def share(percent: float) -> float:
        return 2 * percent / (100 + percent)

    def flat(value: float) -> dict[float, list[float]]:
        return {0.0: [value] * 8, 1.0: [value] * 8}

    runs = [
        run_of(tmp_path / task / model, {f"{model}-{task}": flat(value)}, [task])
        for model, (iou, rmse) in {"single": SINGLE, "multi": (miou_b, rmse_b)}.items()
        for task, value in (("semantic", share(iou)), ("depth", rmse))
    ]
    names = [f"{model}-{task}" for model in ("single", "multi") for task in BOTH]
    groups = parse_groups([f"{model}={model}-semantic,{model}-depth" for model in ("single", "multi")], names)
    clean, _ = gains_of(runs, groups).gains
    assert clean.gain == pytest.approx(expected, abs=0.011)
