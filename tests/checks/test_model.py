import pytest

from tests.checks.runs import SOUND, Attack, found, row_of, tables, verdicts

FEW, MANY = [0.5] * 16, [0.9] * 16


@pytest.mark.parametrize(
    ("name", "record", "doubts"),
    [
        ("training_mode", {"parts": ["net.bn1"]}, "everything"),
        ("training_mode", {"parts": []}, ""),
        ("random_output", {"change": 0.5, "draws": 1}, "everything"),
        ("random_output", {"change": 1e-6, "draws": 1}, ""),
        ("batch_dependent", {"change": 0.1}, "everything"),
        ("batch_dependent", {"change": 0.0}, ""),
        ("probabilities", {"tasks": ["semantic"]}, "attacks"),
        ("probabilities", {"tasks": []}, ""),
        ("clamped", {"shares": {"semantic": 0.6}}, "everything"),
        ("clamped", {"shares": {"semantic": 0.1}}, ""),
        ("shattered_gradient", {"tasks": {"semantic": {"raised": [0.3] * 8, "promised": [4.0] * 8}}}, "white boxes"),
        ("shattered_gradient", {"tasks": {"semantic": {"raised": [0.5] * 8, "promised": [4.0] * 8}}}, ""),
        ("hidden_gradient", {"tasks": {"semantic": {"unreached": 0.9, "effect": 0.6}}}, "white boxes"),
        ("hidden_gradient", {"tasks": {"semantic": {"unreached": 0.9, "effect": 0.4}}}, ""),
        ("hidden_gradient", {"tasks": {"semantic": {"unreached": 1.0, "effect": 1.0}}}, ""),
    ],
)
def test_what_a_record_makes_doubtful(tmp_path, name, record, doubts):
    made = tables(tmp_path, records={name: record})
    assert found(made)[name].level == ("fail" if doubts else "ok")
    attacks = {"fgsm", "pgd[5 steps]", "pgd[10 steps]", "square"}
    every = {"clean", "gaussian", *attacks}
    expected = {"everything": every, "attacks": attacks, "white boxes": attacks - {"square"}, "": set()}[doubts]
    assert {attack for (attack, _), verdict in verdicts(made).items() if verdict == name} == expected


@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("hidden_gradient", {"tasks": {}}),
        ("shattered_gradient", {"tasks": {}}),
        ("shattered_gradient", {"tasks": {"semantic": {"raised": [0.3] * 7, "promised": [4.0] * 7}}}),
        ("logit_scale", {"losses": []}),
    ],
)
def test_what_shows_nothing_is_not_checked(tmp_path, name, record):
    finding = found(tables(tmp_path, records={name: record}))[name]
    assert finding.level == "note"
    assert finding.title.startswith("Not checked")
    assert finding.text == "Nothing, or too little, to look at."


def test_random_output_under_expectation_is_said_but_believed(tmp_path):
    made = tables(tmp_path, records={"random_output": {"change": 0.5, "draws": 16}})
    assert found(made)["random_output"].level == "warn"
    assert "reproducible for the same batches only" in found(made)["random_output"].text
    assert row_of(made, "fgsm", 1.0).verdict == "ok"


@pytest.mark.parametrize(("share", "level"), [(0.0, "ok"), (0.25, "warn"), (1.0, "warn")])
def test_depth_that_is_aligned_the_wrong_way_round_is_a_warning(tmp_path, share, level):
    made = tables(tmp_path, records={"reversed": {"shares": {"semantic": share}}})
    assert found(made)["reversed"].level == level
    assert row_of(made, "fgsm", 1.0).verdict == "ok"


def test_some_predictions_at_a_clamp_are_a_warning(tmp_path):
    made = tables(tmp_path, records={"clamped": {"shares": {"semantic": 0.11}}})
    assert found(made)["clamped"].level == "warn"
    assert row_of(made, "fgsm", 1.0).verdict == "ok"


def test_the_scale_of_logits_is_of_attacks_on_the_loss_as_it_is(tmp_path):
    plain = Attack("pgd", {4.0: 0.05}, params={"scale_free": False}, variant="as it is")
    seen = {"task": "semantic", "loss": "", "plain": FEW, "scaled": [0.4] * 15 + [0.41], "clean": MANY}
    made = tables(tmp_path, (*SOUND, plain), records={"logit_scale": {"losses": [seen]}})
    assert found(made)["logit_scale"].level == "fail"
    assert [attack for (attack, _), verdict in verdicts(made).items() if verdict != "ok"] == ["pgd[as it is]"]
    little = seen | {"scaled": [0.46] * 15 + [0.47]}
    (tmp_path / "little").mkdir()
    made = tables(tmp_path / "little", (*SOUND, plain), records={"logit_scale": {"losses": [little]}})
    assert found(made)["logit_scale"].level == "ok"


def test_a_check_that_could_see_nothing_says_why(tmp_path):
    made = tables(tmp_path, records={"random_output": {"error": "it broke"}})
    assert found(made)["random_output"].level == "note"
    assert "it broke" in found(made)["random_output"].text


def test_a_run_whose_models_were_not_looked_at(tmp_path):
    made = tables(tmp_path)
    assert found(made)["training_mode"].level == "note"
    assert found(made)["training_mode"].title == "Not checked: models are in evaluation mode"
