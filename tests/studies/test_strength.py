"""The study of attacks: its protocols, its numbers on made-up runs, and a small run of it."""

from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from robustbench_seg.errors import InputError
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.results.sample import mean_of
from robustbench_seg.studies.strength import __main__ as command
from robustbench_seg.studies.strength import figure, page, settings, tables
from robustbench_seg.studies.strength.equal_gradients import Gap, counts_table


def test_every_attack_that_is_compared_takes_the_same_gradients():
    plans = [plan for plan in settings.protocols()["equal"].attacks if plan.name != "worst" and plan != settings.PAPER]
    assert {plan.params["steps"] for plan in plans} == {settings.EQUAL_STEPS}


def test_with_the_steps_of_sea_the_strong_protocol_is_otherwise_as_it_was():
    strong, longer = settings.protocols()["strong"], settings.protocols()["strong-300"]
    assert [replace(plan, params={**plan.params, "steps": 0}) for plan in longer.attacks if plan.name == "apgd"] == [
        replace(plan, params={**plan.params, "steps": 0}) for plan in strong.attacks if plan.name == "apgd"
    ]
    assert {plan.params["steps"] for plan in longer.attacks if plan.name == "apgd"} == {settings.SEA_STEPS}


def test_the_cheap_protocol_takes_at_most_a_fifth_of_the_gradients():
    strong, fast = (settings.gradients(settings.protocols()[name]) for name in ("strong", "fast-strong"))
    assert 0 < fast <= strong / 5


def gap(model, value, plain, task="semantic", comparisons=1):
    difference = mean_of(value - plain + 0.01 * np.linspace(-6, 6, 16))
    return Gap(model, task, "apgd[20 steps]", 1.0, value, plain, difference, 16, comparisons)


def test_stronger_is_lower_for_miou_and_higher_for_an_error():
    assert [gap("a", value, 0.3).sign for value in (0.2, 0.3, 0.4)] == [1, 0, -1]
    assert [gap("a", value, 0.3, "depth").sign for value in (0.2, 0.3, 0.4)] == [-1, 0, 1]


def test_more_comparisons_ask_for_more():
    assert gap("a", 0.27, 0.3).sign == 1
    assert gap("a", 0.27, 0.3, comparisons=100).sign == 0


def test_the_counts_of_models():
    table = counts_table(
        "semantic", [gap("a", 0.2, 0.3), gap("b", 0.3, 0.3), gap("c", 0.1, 0.3)], {"apgd[20 steps]": "APGD"}
    )
    (line,) = table.lines
    assert line.label == "APGD"
    assert [cell.main for cell in line.cells] == ["2", "1", "0", "+10.0", "+0.0", "+20.0"]


def everywhere(monkeypatch, name, value):
    """Another value of a name in every module of the study that has it."""
    for module in (command, figure, page, settings, tables):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, value)


@pytest.mark.slow
def test_the_study_runs_and_resumes(tmp_path, monkeypatch):
    few = {
        "LADDER": dict.fromkeys(list(settings.LADDER)[-1:], (2,)),
        "EQUAL_STEPS": 2,
        "CLOSER": ("street-single",),
    }
    for name, value in few.items():
        everywhere(monkeypatch, name, value)
    strong = PROTOCOLS.get("strong")
    plans = [replace(plan, params={**plan.params, "steps": 6}) for plan in strong.attacks if plan.name == "apgd"]
    short = replace(strong, attacks=(*plans, *(plan for plan in strong.attacks if plan.name == "worst")))
    made = {**settings.protocols(), "strong": short, "fast-strong": short, "strong-300": short}
    everywhere(monkeypatch, "protocols", lambda: made)
    arguments = [
        "-o",
        str(tmp_path),
        "--limit",
        "2",
        "--device",
        "cpu",
        "--workers",
        "1",
        "--sea",
        "-m",
        "street-uninet-d",
    ]
    first = CliRunner().invoke(command.main, arguments)
    assert first.exit_code == 0, first.output
    assert first.output.count("strong-300, street-single: 0 of 1 batches") == 1
    text = (tmp_path / "study.html").read_text()
    assert "street-uninet-d" in text
    assert text.count("CosPGD, L1 of logarithms") == len(settings.EPSILONS)
    # What was measured stays without the store.
    for store in tmp_path.rglob("store.sqlite"):
        store.unlink()
    again = CliRunner().invoke(command.main, arguments)
    assert again.exit_code == 0
    assert (tmp_path / "study.html").read_text() == text
    other = CliRunner().invoke(command.main, ["-o", str(tmp_path), "--limit", "3", "--device", "cpu"])
    assert isinstance(other.exception, InputError)
    assert (tmp_path / "strong" / "street-single" / "summary.csv").exists()
    assert not (tmp_path / "strong" / "street-uninet-d").exists(), "it has no segmentation"
