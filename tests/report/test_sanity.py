from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from robustbench_seg.report.sanity import Finding, verdict
from tests.report.fake_run import FakeRun, fake_run


@pytest.fixture(scope="module")
def sound() -> FakeRun:
    """A run in which nothing is wrong."""
    run = fake_run(Path("sound"), with_panels=False)
    return replace(run, summary=run.summary.assign(status="ok"))


def change(run: FakeRun, query: str, **values: float | str) -> FakeRun:
    table = run.summary.copy()
    hit = table.query(query).index
    assert len(hit)
    for column, value in values.items():
        table.loc[hit, column] = value
    return replace(run, summary=table)


def found(run: FakeRun) -> dict[str, Finding]:
    return {finding.title: finding for finding in verdict(run)}


def test_a_sound_run_passes_everything(sound: FakeRun) -> None:
    assert [finding.level for finding in verdict(sound)] == ["ok"] * 6 + ["note"]
    assert "upper bound" in verdict(sound)[-1].text


def test_failed_cells_are_counted_once_and_named() -> None:
    findings = verdict(fake_run(Path("fake"), with_panels=False))
    assert (findings[0].level, findings[0].title) == ("fail", "Some cells failed")
    assert findings[0].text.startswith("1 of 84 cells;")
    assert "street-multitask on street, FGSM on semantic at ε = 8 (its value is over 197 images)" in findings[0].text


def test_what_rounding_to_8_bits_undoes_is_no_fault_of_the_attack(sound: FakeRun) -> None:
    gone = sound.summary[sound.summary.attack.isin(["gaussian", "pgd"]) & (sound.summary.epsilon == 0.25)]
    unharmed = {"ratio": 1.0, "ratio_low": 1.0, "ratio_high": 1.0, "rms": 0.0, "n_unchanged": gone.n_images}
    both = pd.concat([sound.summary.assign(scored="float"), gone.assign(scored="8 bit", **unharmed)])
    findings = verdict(replace(sound, summary=both))
    assert findings[1:] == verdict(sound)[1:]
    assert (findings[0].title, findings[0].level) == ("All cells ran", "ok")
    failed = verdict(replace(sound, summary=both.assign(status=["ok"] * (len(both) - 1) + ["failed"])))[0]
    assert "PGD on depth, 8 bit at ε = 0.25" in failed.text


@pytest.mark.parametrize(
    ("weak", "level", "numbers"),
    [
        ({"ratio": 0.999, "ratio_low": 0.998, "ratio_high": 1.0}, "fail", "FGSM Q 0.999 [0.998, 1.000]"),
        ({"ratio": 0.45, "ratio_low": 0.44, "ratio_high": 0.46}, "ok", ""),
    ],
)
def test_fgsm_weaker_than_noise(sound: FakeRun, weak: dict[str, float], level: str, numbers: str) -> None:
    where = "attack == 'fgsm' and objective == 'semantic' and epsilon == 2 and metric == 'miou'"
    run = change(sound, where + " and model == 'street-mobilenetv2'", **weak)
    (order,) = [f for title, f in found(run).items() if title.startswith(("Stronger", "A stronger"))]
    assert order.level == level
    assert numbers in order.text


def test_pgd_weaker_than_fgsm_is_a_warning(sound: FakeRun) -> None:
    run = change(sound, "attack == 'pgd' and objective == 'depth' and metric == 'rmse'", ratio_low=0.9, ratio=0.91)
    run = change(run, "attack == 'pgd' and objective == 'depth' and metric == 'rmse'", ratio_high=0.92)
    run = change(run, "attack in ('gaussian', 'salt_and_pepper')", ratio_high=1.0)
    assert found(run)["A stronger attack does less harm"].level == "warn"


def test_order_tolerates_overlapping_intervals_and_other_tasks(sound: FakeRun) -> None:
    touching = change(sound, "attack == 'pgd'", ratio_low=0.0)
    assert found(touching)["Stronger attacks do more harm at equal ε"].level == "ok"
    other = change(
        sound, "attack == 'pgd' and objective == 'depth' and task == 'semantic'", ratio=0.999, ratio_low=0.999
    )
    assert found(other)["Stronger attacks do more harm at equal ε"].level == "ok"


def test_nothing_to_compare_is_said(sound: FakeRun) -> None:
    noise = replace(sound, summary=sound.summary.query("attack in ('clean', 'gaussian')"))
    titles = found(noise)
    assert titles["Order not checked"].level == "note"
    assert titles["Gradients not checked"].level == "note"
    attacked = replace(sound, summary=sound.summary.query("attack == 'pgd'"))
    assert found(attacked)["Noise not checked"].level == "note"
    assert found(attacked)["Clean metrics not checked"].level == "note"


def test_a_rising_curve(sound: FakeRun) -> None:
    where = "attack == 'gaussian' and epsilon == 16 and metric == 'miou' and model == 'street-multitask'"
    rise = found(change(sound, where, ratio=0.97, ratio_low=0.95, ratio_high=0.99))["A curve rises"]
    assert rise.level == "warn"
    assert rise.text.startswith("1 of 24 curves")
    assert "Q 0.970 [0.950, 0.990] at ε = 16 after" in rise.text
    within = change(sound, where, ratio=0.80, ratio_low=0.70, ratio_high=0.90)
    assert found(within)["No curve rises"].level == "ok"


def test_an_attack_that_improves_its_task_rises_noise_may(sound: FakeRun) -> None:
    where = "metric == 'miou' and epsilon == 0.25 and model == 'street-mobilenetv2' and attack == "
    better = {"ratio": 1.02, "ratio_low": 1.01, "ratio_high": 1.03}
    assert "after 1 on clean images" in found(change(sound, where + "'pgd'", **better))["A curve rises"].text
    assert found(change(sound, where + "'gaussian'", **better))["No curve rises"].level == "ok"


def test_zero_gradients(sound: FakeRun) -> None:
    where = "attack == 'pgd' and objective == 'semantic' and epsilon == 4 and model == 'street-multitask'"
    dead = found(change(sound, where, n_unchanged=200))["Attacks that changed nothing"]
    assert dead.level == "fail"
    assert "1 of 56 attacked cells" in dead.text
    assert "street-multitask on street, PGD on semantic at ε = 4" in dead.text
    some = found(change(sound, where, n_unchanged=199))["Gradients are not zero"]
    assert "199 of 200" in some.text
    skipped = change(sound, "attack == 'hide'", n_images=0)
    assert found(skipped)["Gradients are not zero"].level == "ok"


@pytest.mark.parametrize(("miou", "reason"), [(0.09, "below 0.250"), (0.2, "twice chance with 8 classes"), (0.26, "")])
def test_implausible_clean_miou(sound: FakeRun, miou: float, reason: str) -> None:
    run = change(sound, "attack == 'clean' and metric == 'miou' and model == 'street-multitask'", value=miou)
    titles = found(run)
    if reason:
        bad = titles["A clean metric is implausibly bad"]
        assert bad.level == "fail"
        assert reason in bad.text
        assert "normalisation" in bad.text
    else:
        assert f"mIoU {miou:.3f}" in titles["Clean metrics are plausible"].text


def test_many_classes_still_need_a_tenth(sound: FakeRun) -> None:
    classes = pd.concat([sound.classes.assign(**{"class": f"c{i}"}) for i in range(40)], ignore_index=True)
    low = change(sound, "attack == 'clean' and metric == 'miou'", value=0.08)
    assert "below 0.100" in found(replace(low, classes=classes))["A clean metric is implausibly bad"].text


def test_implausible_clean_depth(sound: FakeRun) -> None:
    run = change(sound, "attack == 'clean' and metric == 'abs_rel'", value=1.2)
    assert "worse than predicting 0 m" in found(run)["A clean metric is implausibly bad"].text


@pytest.mark.parametrize(("rms", "level"), [(1.0009, "ok"), (1.002, "fail"), (0.99, "fail")])
def test_noise_has_the_power_asked_for(sound: FakeRun, rms: float, level: str) -> None:
    run = change(sound, "attack == 'salt_and_pepper' and epsilon == 1 and model == 'street-multitask'", rms=rms)
    (power,) = [f for title, f in found(run).items() if title.startswith("Noise")]
    assert power.level == level
    assert ("1 of 28" in power.text) == (level == "fail")


def test_l_infinity_attacks_may_miss_an_rms(sound: FakeRun) -> None:
    assert found(change(sound, "attack == 'pgd'", rms=0.1))["Noise has exactly the power asked for"].level == "ok"


def test_the_worst_comes_first(sound: FakeRun) -> None:
    run = change(sound, "attack == 'gaussian' and epsilon == 16", ratio=0.97, ratio_low=0.95, ratio_high=0.99)
    run = change(run, "attack == 'dag'", status="failed")
    assert [finding.level for finding in verdict(run)] == ["fail", "warn", "ok", "ok", "ok", "ok", "note"]


def test_long_lists_are_cut(sound: FakeRun) -> None:
    text = found(change(sound, "attack == 'pgd'", status="failed"))["Some cells failed"].text
    assert text.startswith("21 of 84 cells")
    assert "and 16 more" in text
