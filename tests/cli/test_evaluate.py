"""What `evaluate` says before it starts."""

import json

import pandas as pd
import pytest

from tests.cli.runs import TOY

RUN = ("evaluate", *TOY, "-a", "fgsm", "-e", "1,4", "--workers", "1")


@pytest.fixture(autouse=True)
def _without_a_page(monkeypatch):
    monkeypatch.setattr("robustbench_seg.report.write.write_report", lambda run: run.folder / "report.html")


def _cost(out):
    """The line on cost, up to what is measured."""
    (line,) = [line for line in out.splitlines() if "gradients" in line]
    return line.partition(" about ")[0]


def test_what_it_will_cost_is_said_before_it_starts_and_what_is_left_when_it_resumes(robustseg, tmp_path):
    run = (*RUN, "-o", tmp_path / "run")
    # A clean forward and two attacked ones an image; the gradient is of the clean one. Before that the checks: two
    # forwards of a batch and two of eight images, a gradient and three forwards of a batch, and on each image one
    # forward, a gradient and two losses, 15 alternatives of preprocessing on four images and the best of them on all.
    expected = "3 cells over 4 images: 12 gradients, 132 forwards;"
    assert _cost(robustseg(*run, "--limit", "4", "--dry-run")[1]) == expected
    assert not (tmp_path / "run").exists()
    code, out, err = robustseg(*run, "--limit", "4")
    assert code == 0
    assert _cost(out) == expected
    assert out.index("loading") < out.index("gradients") < out.index("Q is")
    assert "checking toy-single on toy" in err
    assert "left" not in err.splitlines()[-1]
    rest = "left: 3 cells over 12 images: 36 gradients, 244 forwards;"
    assert _cost(robustseg(*run, "--dry-run")[1]) == rest, "the one batch of four is one of eight now"
    assert _cost(robustseg(*run)[1]) == rest
    assert "nothing left to do" in robustseg(*run)[1]


def test_one_object_for_machines(robustseg, tmp_path):
    options = ("--limit", "3", "--json", "-o", tmp_path / "run")
    foretold = json.loads(robustseg(*RUN, *options, "--dry-run")[1])
    _, out, err = robustseg(*RUN, *options)
    assert err == ""
    estimate = json.loads(out)["estimate"]
    for timed in (foretold, estimate):
        assert timed.pop("seconds") > timed.pop("fit_seconds") > 0
    assert foretold.pop("notes") == []
    assert estimate == foretold
    assert (estimate["gradients"], estimate["forwards"], estimate["workers"]) == (
        9,
        9 + 6 + 4 * 3 + 3 + 15 * 3 + 3 + 4 * 3 + 3 * 3,
        1,
    )
    assert json.loads(robustseg(*RUN, *options)[1])["estimate"]["cells"] == 0


def test_scores_for_machines_and_in_the_terminal(robustseg, tmp_path):
    """FGSM is the only attack, so it is the worst case; one image is all void and counts in both."""
    grid = ("-e", ".25,.5,1,2,4,8", "--set", "fgsm.norm=rms", "--set", "worst.norm=rms")
    run = (
        "evaluate",
        *TOY,
        "-a",
        "fgsm",
        "-a",
        "worst",
        *grid,
        "--workers",
        "1",
        "--limit",
        "4",
        "-o",
        tmp_path / "run",
    )
    (score,) = json.loads(robustseg(*run, "--json")[1])["scores"]
    table = pd.read_csv(tmp_path / "run" / "summary.csv").query("attack == 'fgsm' and metric == 'miou'")
    q = table["ratio"].clip(upper=1).to_numpy()
    assert score["score"] == pytest.approx(((q[1:] + q[:-1]) / 2).mean(), abs=1e-5)
    assert (score["model"], score["task"], score["n_images"]) == ("toy-single", "semantic", 4)
    assert "Robustness score" in robustseg(*run)[1]


def test_a_budget_is_said_first(robustseg, tmp_path, monkeypatch):
    monkeypatch.setattr("robustbench_seg.evaluation.prepare.images_within", lambda *_: 5)
    code, out, _ = robustseg(*RUN, "--budget", "2.5", "-o", tmp_path / "run")
    assert code == 0
    note = "note: budget of 2.5 min: the first 5 of 12 images of toy"
    assert out.index(note) < out.index("15 gradients")
    assert note in robustseg(*RUN, "--budget", "2.5", "-o", tmp_path / "run", "--dry-run")[1]


def test_how_models_are_run_fastest_is_said_first(robustseg, tmp_path):
    run = (*RUN, "--fast", "-o", tmp_path / "run")
    code, out, _ = robustseg(*run, "--limit", "2")
    assert code == 0
    note = "note: fast: toy-single on toy: fp32 as it is (only 2 gradients)"
    assert out.index(note) < out.index("6 gradients,")
    assert note in robustseg(*run, "--limit", "2", "--dry-run")[1]
    assert "leave out precision" in robustseg(*run, "--precision", "bf16")[2]
