"""What `--fast` keeps, decided on trials whose numbers are made up."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pytest
import torch

from robustbench_seg.evaluation import candidates, fast
from robustbench_seg.evaluation.candidates import CANDIDATES, Candidate, added, chosen
from robustbench_seg.evaluation.fast import Strength, choose
from robustbench_seg.evaluation.optimize import Execution

WORK = 1000
"""Gradients, of which strict fp32 takes one a second."""


@dataclass
class Made:
    """A trial with made-up numbers."""

    seconds: float = 1.0
    preparation: float = 0.0
    retained: float = 0.5
    outputs: dict = field(default_factory=lambda: {"semantic": torch.tensor([1.0, 100.0])})

    def strength(self):
        return Strength(0.3, self.retained, self.outputs)


@pytest.fixture
def found(monkeypatch):
    """What is kept of candidates `a`, `b` and `c`, whose trials are given by what is added to strict fp32."""

    def run(trials, work=WORK, most=math.inf, **devices):
        made = {
            name: Candidate(name, {field: True}, devices.get(name, {"cpu": 0.0}))
            for name, field in (("a", "channels_last"), ("b", "compile"), ("c", "graphs"))
        }
        for module in (candidates, fast):
            monkeypatch.setattr(module, "CANDIDATES", made)
        fields = {"channels_last": "a", "compile": "b", "graphs": "c"}

        def trial(execution):
            key = "".join(name for field, name in fields.items() if getattr(execution, field))
            if isinstance(trials[key], Exception):
                raise trials[key]
            return trials[key]

        choice = choose(Execution(), trial, work, most)
        return choice, {one.name: one.reason for one in choice.tried}

    return run


def test_what_pays_is_added_to_what_paid_before(found):
    choice, reasons = found({"": Made(), "a": Made(0.9), "ab": Made(0.9), "ac": Made(0.5)})
    assert choice.kept == ("a", "c")
    assert choice.best.seconds == 0.5
    assert reasons == {"a": "", "b": "takes 1.00 times as long, and 0 s to prepare", "c": ""}
    record = choice.record()
    assert record["kept"] == ["a", "c"]
    assert record["strict"]["seconds"] == 1
    assert [one["seconds"] for one in record["tried"]] == [0.9, 0.9, 0.5]


@pytest.mark.parametrize(("seconds", "kept"), [(0.94, True), (0.96, False), (1.5, False)])
def test_five_percent_must_be_won(found, seconds, kept):
    choice, reasons = found({"": Made(), "a": Made(seconds), "b": Made(), "ab": Made(), "c": Made(), "ac": Made()})
    assert (choice.kept == ("a",)) is kept
    assert (reasons["a"] == "") is kept


SLOW = {"b": Made(), "c": Made()}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"retained": 0.52}, "Q under attack differs by 0.020"),
        ({"retained": 0.48}, "Q under attack differs by 0.020"),
        ({"retained": math.nan}, "Q under attack differs by nan"),
        ({"outputs": {"semantic": torch.tensor([1.2, 100.0])}}, "outputs differ by more than rounding"),
        ({"outputs": {"semantic": torch.tensor([1.0, 100.0]), "depth": torch.tensor(1.0)}}, "outputs differ"),
        ({"retained": 0.509, "outputs": {"semantic": torch.tensor([1.05, 100.0])}}, ""),
    ],
)
def test_outputs_and_strength_must_stay(found, changed, reason):
    choice, reasons = found({"": Made(), "a": Made(0.1, **changed), "ab": Made(), "ac": Made(), **SLOW})
    assert reasons["a"].startswith(reason)
    assert (choice.kept == ("a",)) is (reason == "")


def test_what_cannot_be_run_here_is_left_out_with_its_reason(found):
    fails = {"": Made(), "a": RuntimeError("no\nkernel"), "b": Made(0.5)}
    choice, reasons = found(fails, c={"cuda": 0.0})
    assert reasons == {"a": "RuntimeError: no kernel", "b": "", "c": "is for cuda"}
    assert choice.kept == ("b",)


def test_preparation_that_is_much_of_the_work_is_not_even_begun(found):
    trials = {"": Made(), "b": Made(), "c": Made(0.1)}
    _, reasons = found(trials, a={"cpu": 101.0}, c={"cpu": 99.0})
    assert reasons["a"] == "takes about 101 s to prepare, for 1000 s of work"
    assert reasons["c"] == ""
    _, reasons = found(trials, most=500.0, a={"cpu": 51.0}, c={"cpu": 51.0})
    assert reasons["a"] == reasons["c"] == "takes about 51 s to prepare, for 500 s of work"


@pytest.mark.parametrize(("preparation", "kept"), [(449.0, True), (451.0, False)])
def test_preparation_counts_as_work(found, preparation, kept):
    """Beyond that of strict fp32, here 1 s; half of 1000 s is won."""
    trials = {"": Made(preparation=1.0), "a": Made(0.5, 1 + preparation), "ab": Made(), "ac": Made(), **SLOW}
    assert (found(trials)[0].kept == ("a",)) is kept


def test_what_strict_fp32_raises_is_raised(found):
    with pytest.raises(RuntimeError, match="broken"):
        found({"": RuntimeError("broken")})


def test_the_candidates():
    assert chosen(Execution("cuda"), ("tf32", "channels-last")) == Execution("cuda", "tf32", channels_last=True)
    assert added(("tf32",), "bf16") == ("bf16",), "it replaces the precision"
    assert added(("bf16", "compile"), "graphs") == ("bf16", "compile", "graphs")
    assert added(("bf16",), "channels-last") == ("bf16", "channels-last")
    assert [name for name, one in CANDIDATES.items() if one.seconds("cpu") is None] == [
        "tf32",
        "channels-last",
        "graphs",
    ]
    assert all(one.seconds("cuda:1") is not None for one in CANDIDATES.values())
