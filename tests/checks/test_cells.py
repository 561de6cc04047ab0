from dataclasses import replace

from robustbench_seg.results.keys import FLOAT, ROUNDED
from tests.checks.runs import IMAGES, SOUND, Attack, found, noise, row_of, tables, verdicts

DEAD = Attack("apgd", {1.0: 0.9, 4.0: 0.9}, reached=0)


def test_a_sound_run_is_believed(tmp_path):
    made = tables(tmp_path)
    levels = {finding.check: finding.level for finding in made.findings}
    assert set(levels.values()) == {"ok", "note"}
    assert set(verdicts(made).values()) == {"ok"}
    assert {row.verdict for row in made.classes} == {"ok"}


def test_failed_images_are_said_by_the_status_alone(tmp_path):
    made = tables(tmp_path, (*SOUND, Attack("apgd", {1.0: 0.4}, failed=2)))
    assert found(made)["failed"].level == "fail"
    assert f"its value is over {IMAGES - 2} images" in found(made)["failed"].text
    row = row_of(made, "apgd", 1.0)
    assert (row.status, row.verdict) == ("failed", "ok")


def test_what_fails_only_once_it_is_rounded_is_said(tmp_path):
    rounded = Attack("apgd", {1.0: 0.4}, failed=2, scored=(FLOAT, ROUNDED))
    made = tables(tmp_path, (*SOUND, rounded))
    assert found(made)["failed"].text.startswith("1 of 13 cells")
    assert "APGD on semantic, 8 bit at ε = 1" in found(made)["failed"].text


def test_cells_that_no_gradient_reached_are_failed_and_doubted(tmp_path):
    made = tables(tmp_path, (*SOUND, DEAD))
    assert found(made)["failed"].level == "ok"
    finding = found(made)["no_gradient"]
    assert finding.level == "fail"
    assert "APGD on semantic at ε = 1, 4: none at 16 of 16 images" in finding.text
    assert finding.text.startswith("1 of 4 attacks")
    row = row_of(made, "apgd", 4.0)
    assert (row.status, row.verdict) == ("failed", "no_gradient")
    assert row_of(made, "fgsm", 4.0).verdict == "ok"


def test_a_gradient_that_vanishes_on_some_images(tmp_path):
    for missing, level in ((1, "warn"), (2, "fail")):
        (tmp_path / level).mkdir()
        made = tables(tmp_path / level, (*SOUND, replace(DEAD, left={4.0: 0.05}, reached=IMAGES - missing)))
        assert found(made)["no_gradient"].level == level
        assert row_of(made, "apgd", 4.0).status == "ok"
        assert (row_of(made, "apgd", 4.0).verdict == "no_gradient") == (level == "fail")


def test_a_targeted_attack_may_have_reached_its_targets(tmp_path):
    made = tables(tmp_path, (*SOUND, Attack("hide", {4.0: 0.8}, "hide:car@semantic", reached=3)))
    assert found(made)["no_gradient"].level == "ok"


def test_an_implausible_clean_metric_doubts_every_number_of_its_task(tmp_path):
    made = tables(tmp_path, clean=0.1)
    assert found(made)["implausible_clean"].level == "fail"
    assert "normalisation" in found(made)["implausible_clean"].advice
    assert all("implausible_clean" in verdict for verdict in verdicts(made).values())


def test_equal_results_of_different_attacks(tmp_path):
    same = (Attack("cospgd", {4.0: 0.1}, drawn_as=9), Attack("segpgd", {4.0: 0.1}, drawn_as=9))
    made = tables(tmp_path, (*same, Attack("pgd", {4.0: 0.1})))
    assert found(made)["equal_results"].level == "fail"
    assert verdicts(made)["cospgd", 4.0] == verdicts(made)["segpgd", 4.0] == "equal_results"
    assert verdicts(made)["pgd", 4.0] == "ok"


def test_what_is_known_to_be_the_same_may_be(tmp_path):
    # One step of ε is FGSM's.
    one_step = Attack("pgd", {4.0: 0.1}, params={"steps": 1, "alpha": 4.0}, drawn_as=9)
    made = tables(tmp_path, (one_step, Attack("fgsm", {4.0: 0.1}, drawn_as=9)))
    assert found(made)["equal_results"].level in ("ok", "note")


def test_noise_of_another_power(tmp_path):
    made = tables(tmp_path, (noise({1.0: 0.9}, {1.0: 1.002}), *SOUND[1:]))
    assert found(made)["noise_power"].level == "fail"
    assert row_of(made, "gaussian", 1.0).verdict == "noise_power"
    (tmp_path / "near").mkdir()
    near = tables(tmp_path / "near", (noise({1.0: 0.9}, {1.0: 1.0009}), *SOUND[1:]))
    assert found(near)["noise_power"].level == "ok"
