"""`compare`: sentences, tables, JSON and errors, on a run of the command."""

import json
import shutil

import pandas as pd
import pytest

from tests.cli.runs import INPUT, one_line

ATTACK = ("-a", "fgsm", "-a", "worst", "-e", ".25,.5,1,2,4,8", "--set", "fgsm.norm=rms", "--set", "worst.norm=rms")


def judged(folder, verdict, model="toy"):
    """A run whose numbers of a model have this verdict, whatever checks say of a toy."""
    table = pd.read_csv(folder / "summary.csv", dtype=str, keep_default_na=False)
    table.loc[table["model"].str.startswith(model), "verdict"] = verdict
    table.to_csv(folder / "summary.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def both(quietly, tmp_path_factory):
    """A finished run of two models, one of which has two tasks."""
    folder = tmp_path_factory.mktemp("both") / "run"
    models = ("-m", "toy-single", "-m", "toy-multi", "-d", "toy", "--limit", "8", "--workers", "1", "--json")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("robustbench_seg.report.write.write_report", lambda run: run.folder / "report.html")
        assert quietly("evaluate", *models, *ATTACK, "-o", folder)[1] == ""
    return judged(folder, "ok")


def test_a_sentence_and_a_table(robustseg, both):
    code, out, err = robustseg("compare", f"{both}:toy-single", f"{both}:toy-multi")
    assert (code, err) == (0, "")
    sentence, caption, *_ = out.splitlines()
    assert sentence.startswith("semantic on toy: under the worst case B (toy-multi) is statistically indistinguishable")
    assert sentence.endswith("8 images.")
    assert caption.startswith("semantic on toy, Worst case")
    for label in ("clean mIoU", "robustness score", "ε at Q = 0.5", "Q at ε = 0.25", "Q at ε = 8"):
        assert label in out


def test_one_object_for_machines(robustseg, both):
    _, out, err = robustseg("compare", f"{both}:toy-single", f"{both}:toy-multi", "--json")
    found = json.loads(out)
    assert (err, found["a"], found["b"], found["notes"]) == ("", "toy-single", "toy-multi", [])
    (task,) = found["tasks"]
    assert [each["quantity"] for each in task["differences"]] == ["value", "score", "half_epsilon", *["ratio"] * 6]
    assert task["sentence"].startswith("semantic on toy: ")


def test_runs_without_a_store_have_no_interval(robustseg, both, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(both, copy)
    (copy / "store.sqlite").unlink()
    code, out, _ = robustseg("compare", f"{both}:toy-multi", f"{copy}:toy-multi")
    assert code == 0
    assert "B (toy-multi (copy)) has no verdict, no interval, against A (toy-multi (run))" in out
    assert "note: " in out


def test_a_number_that_should_not_be_believed_is_exit_code_4(robustseg, both, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(both, copy)
    judged(copy, "no_gradient", "toy-multi")
    pair = f"{copy}:toy-single", f"{copy}:toy-multi"
    code, out, _ = robustseg("compare", *pair)
    assert (code, "✗ not to be believed: toy-multi (no_gradient)" in out) == (4, True)
    code, out, _ = robustseg("compare", *pair, "--json")
    assert (code, json.loads(out)["doubts"]) == (4, {"toy-multi": ["no_gradient"]})


def test_bad_input_is_one_line(robustseg, both, tmp_path):
    one_line(robustseg("compare", both, both), 2, "several models", f"{both}:toy-single, {both}:toy-multi")
    one_line(robustseg("compare", f"{both}:toy-sing", both), 2, "did you mean toy-single")
    one_line(robustseg("compare", tmp_path / "none", both), INPUT, tmp_path / "none")
    copy = tmp_path / "copy"
    shutil.copytree(both, copy)
    (copy / "store.sqlite").unlink()
    table = copy / "summary.csv"
    table.write_text(table.read_text().replace(",semantic,", ",other,"))
    pair = f"{both}:toy-single", f"{copy}:toy-single"
    one_line(robustseg("compare", *pair), INPUT, "no number in common on toy")
