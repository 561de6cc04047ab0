from dataclasses import replace

import pytest

from tests.checks.runs import SOUND, Attack, found, noise, tables, verdicts

NOISE, FGSM, SHORT, LONG, BLACK = SOUND


def doubted(made, check):
    return {cell for cell, verdict in verdicts(made).items() if check in verdict}


def test_white_boxes_weaker_than_noise_of_the_same_power(tmp_path):
    # At ε = 4 the attack has an RMS of 3.6: noise has 1 and 4, which leave .89 and .4 and thus about .465.
    made = tables(tmp_path, (noise({1.0: 0.89, 4.0: 0.4}), Attack("pgd", {1.0: 0.7, 4.0: 0.55})))
    finding = found(made)["masked_gradient"]
    assert finding.level == "fail"
    assert "PGD at ε = 4 against Gaussian noise of the same RMS" in finding.text
    assert doubted(made, "masked_gradient") == {("pgd", 1.0), ("pgd", 4.0)}


def test_noise_of_more_power_proves_nothing(tmp_path):
    made = tables(tmp_path, (noise({1.0: 0.89, 4.0: 0.4}), Attack("pgd", {4.0: 0.55}, rms={4.0: 1.0})))
    assert found(made)["masked_gradient"].level == "ok"


def test_white_boxes_weaker_than_a_black_box(tmp_path):
    attacks = (NOISE, Attack("pgd", {4.0: 0.5}), Attack("fgsm", {4.0: 0.6}), replace(BLACK, left={4.0: 0.4}))
    made = tables(tmp_path, attacks)
    assert "PGD at ε = 4 against Square" in found(made)["masked_gradient"].text
    assert doubted(made, "masked_gradient") == {("pgd", 4.0), ("fgsm", 4.0)}


def test_one_strong_white_box_is_enough(tmp_path):
    attacks = (NOISE, Attack("pgd", {4.0: 0.3}), Attack("fgsm", {4.0: 0.6}), replace(BLACK, left={4.0: 0.4}))
    assert found(tables(tmp_path, attacks))["masked_gradient"].level == "ok"


def test_more_steps_that_leave_more(tmp_path):
    made = tables(tmp_path, (NOISE, FGSM, replace(SHORT, left=LONG.left), replace(LONG, left=SHORT.left)))
    assert found(made)["more_steps"].level == "fail"
    assert doubted(made, "more_steps") == {("pgd[10 steps]", 1.0), ("pgd[10 steps]", 4.0)}
    (tmp_path / "other").mkdir()
    other = replace(LONG, left=SHORT.left, params={"steps": 10, "random_start": True})
    made = tables(tmp_path / "other", (NOISE, FGSM, replace(SHORT, left=LONG.left), other))
    assert found(made)["more_steps"].level == "note", "another parameter differs too"


def test_the_strongest_white_box_must_not_rise(tmp_path):
    made = tables(tmp_path, (NOISE, Attack("pgd", {1.0: 0.3, 4.0: 0.5}), Attack("fgsm", {1.0: 0.6, 4.0: 0.45})))
    assert found(made)["rising_curve"].level == "fail"
    assert doubted(made, "rising_curve") == {("pgd", 4.0), ("fgsm", 4.0)}


@pytest.mark.parametrize(("norm", "doubted_too"), [("rms", {("worst", 4.0)}), ("linf", set())])
def test_a_worst_case_is_doubted_with_what_it_is_chosen_from(tmp_path, norm, doubted_too):
    rising = Attack("pgd", {1.0: 0.3, 4.0: 0.5}, norm=norm)
    made = tables(tmp_path, (NOISE, rising, Attack("worst", {1.0: 0.3, 4.0: 0.5}, norm=norm)))
    assert doubted(made, "rising_curve") == {("pgd", 4.0)} | doubted_too


def test_a_single_curve_that_rises_is_to_look_at(tmp_path):
    made = tables(tmp_path, (NOISE, Attack("pgd", {1.0: 0.3, 4.0: 0.1}), Attack("fgsm", {1.0: 0.4, 4.0: 0.45})))
    assert found(made)["rising_curve"].level == "warn"
    assert "FGSM at ε = 4 against at ε = 1" in found(made)["rising_curve"].text
    assert doubted(made, "rising_curve") == set()


def test_an_attack_must_not_help(tmp_path):
    made = tables(tmp_path, (NOISE, Attack("pgd", {1.0: 0.96})))
    assert found(made)["rising_curve"].level == "fail"
    assert "strongest white box against clean" in found(made)["rising_curve"].text


def test_a_stronger_attack_that_does_less_harm_is_to_look_at(tmp_path):
    made = tables(tmp_path, (NOISE, Attack("pgd", {4.0: 0.5}), Attack("fgsm", {4.0: 0.3})))
    assert found(made)["attack_order"].level == "warn"
    assert doubted(made, "attack_order") == set()


@pytest.mark.parametrize(("images", "level"), [(7, "note"), (8, "fail")])
def test_over_few_images_nothing_is_concluded(tmp_path, images, level):
    made = tables(tmp_path, (NOISE, Attack("pgd", {1.0: 0.3, 4.0: 0.5})), images=images)
    assert found(made)["rising_curve"].level == level


def test_chance_is_no_finding(tmp_path):
    made = tables(tmp_path, (NOISE, Attack("pgd", {1.0: 0.3, 4.0: 0.3005})))
    assert found(made)["rising_curve"].level == "ok"
