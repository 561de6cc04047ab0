"""What is said of models that hide their gradients, and of honest ones that look as if they did."""

import json
from pathlib import Path

import pandas as pd
import pytest

from robustbench_seg.models.registry import card_folders

VARIANTS = Path(__file__).parents[1] / "plugins" / "variants.py"
ATTACKS = ("-a", "gaussian", "-a", "fgsm", "-a", "pgd", "-a", "worst", "-e", "1,4", "--set", "pgd.steps=5")
AS_IT_IS = ("--set", "pgd.scale_free=false", "--set", "fgsm.scale_free=false")
FEW = ("--limit", "8", "--workers", "1")
DOUBTED, FAILED = 4, 1

BROKEN = {
    "rounded_input": ("no_gradient", ()),
    "mostly_rounded_input": ("hidden_gradient", ()),
    "rounded_logits": ("no_gradient", ()),
    "argmax": ("no_gradient; probabilities", ()),
    "no_grad": ("no_gradient", ()),
    "inference_mode": ("no_gradient", ()),
    "times_10_000": ("logit_scale", AS_IT_IS),
    "softmax": ("probabilities", ()),
    "ripple": ("shattered_gradient", ()),
    "dropout": ("random_output", ()),
    "random_resize": ("random_output", ()),
    "batch_statistics": ("batch_dependent", ()),
    "training_mode": ("random_output; training_mode", ()),
    "a_constant": ("implausible_clean; no_gradient", ()),
}
"""The verdict of each, and the options it is evaluated with."""
HONEST = {
    "straight_through": (),
    "times_30": (),
    "halved_input": (),
    "dropout": ("--eot", "4"),
}


@pytest.fixture(autouse=True)
def _pageless(monkeypatch):
    """The page is looked at elsewhere."""
    monkeypatch.setattr("robustbench_seg.report.write.write_report", lambda run: run.folder / "report.html")


def of_variant(name, options=()):
    return ("-m", f"{VARIANTS}:{name}", "--normalize", "none", *options)


def evaluated(robustseg, folder, *arguments):
    """Exit code, JSON, summary and terminal of an evaluation."""
    command = ("evaluate", *arguments, "-d", "street", *FEW, "-o", folder)
    code, out, err = robustseg(*command, "--json")
    assert out, err
    again, text, _ = robustseg(*command)
    assert again == code
    return code, json.loads(out), pd.read_csv(folder / "summary.csv"), text


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_broken(robustseg, tmp_path, name):
    expected, options = BROKEN[name]
    code, said, summary, text = evaluated(robustseg, tmp_path, *of_variant(name, options), *ATTACKS)
    assert code == DOUBTED
    names = expected.split("; ")
    assert set(names) <= set(said["verdict"].split("; "))
    verdicts = summary[summary.attack == "pgd"].verdict
    assert all(set(names) & set(verdict.split("; ")) for verdict in verdicts)
    assert all(f"({check})" in text for check in names)
    assert "✗" in text
    wrong = {finding["check"]: finding for finding in said["findings"] if finding["level"] == "fail"}
    assert all(wrong[check]["advice"] for check in names)
    assert (set(summary[summary.attack == "fgsm"].status) == {"failed"}) == ("no_gradient" in names)


@pytest.mark.slow
@pytest.mark.parametrize("name", HONEST)
def test_honest(robustseg, tmp_path, name):
    code, said, summary, text = evaluated(robustseg, tmp_path, *of_variant(name, HONEST[name]), *ATTACKS)
    assert (code, said["verdict"]) == (0, "ok")
    assert set(summary.verdict) == {"ok"}
    assert "✗" not in text


@pytest.mark.slow
def test_one_image_without_a_number_fails_and_the_others_are_believed(robustseg, tmp_path):
    code, said, summary, _ = evaluated(robustseg, tmp_path, *of_variant("nan_at_one_image"), *ATTACKS)
    assert (code, said["verdict"], said["failed"]) == (FAILED, "ok", True)
    assert set(summary.status) == {"failed"}
    assert set(summary.n_images) == {7}


@pytest.mark.slow
def test_scaled_logits_change_nothing_where_losses_are_scale_free(robustseg, tmp_path):
    tables = [
        evaluated(robustseg, tmp_path / name, *model, *ATTACKS)[2]
        for name, model in (("scaled", of_variant("times_30")), ("plain", ("-m", "street-single")))
    ]
    scaled, plain = (table[(table.metric == "miou") & (table.attack == "pgd")] for table in tables)
    assert (plain.ratio_low.to_numpy() <= scaled.ratio.to_numpy()).all()
    assert (scaled.ratio.to_numpy() <= plain.ratio_high.to_numpy()).all()


@pytest.mark.slow
def test_random_weights_are_doubted_for_what_they_predict_alone(robustseg, tmp_path):
    model = ("-m", "torchvision:lraspp_mobilenet_v3_large", "-d", "street")
    code, out, _ = robustseg("evaluate", *model, *ATTACKS, *FEW, "--json", "-o", tmp_path)
    assert (code, json.loads(out)["verdict"]) == (DOUBTED, "implausible_clean")


@pytest.mark.slow
def test_check_runs_every_check(robustseg):
    code, out, _ = robustseg("check", f"{VARIANTS}:times_10_000", "--normalize", "none")
    assert code == DOUBTED
    assert "(logit_scale)" in out
    assert "Not checked" not in out


@pytest.mark.long
@pytest.mark.parametrize(
    "name", [name for name in card_folders() if not name.startswith(("camvid", "klingner-camvid"))]
)
def test_every_shipped_model_is_believed(robustseg, tmp_path, name):
    code, said, summary, _ = evaluated(robustseg, tmp_path, "-m", name, *ATTACKS)
    assert (code, said["verdict"]) == (0, "ok"), said["findings"]
    assert set(summary.verdict) == {"ok"}
