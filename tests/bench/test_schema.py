"""Published records are strict and add up, and every benchmark runs at a toy size."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.engines.base import ENGINES
from tests.bench.gpu import VARIANTS, Variant
from tests.bench.record import SCHEMA, Entry, Environment, Figure, Record, as_json, figure, read_record, write_record
from tests.bench.subjects import opened, reduced
from tests.bench.suite import BENCHMARKS, varied
from tests.bench.table import table
from tests.bench.timing import Deadline, alternate
from tests.bench.toys import TOYS

PUBLISHED = Path(__file__).parents[2] / "reports" / "benchmarks"
RECORDS = sorted(PUBLISHED.glob("*.json"))


@pytest.fixture
def record():
    measured = figure("a", "quotient", {"ours": [1.0, 3.0, 2.0], "theirs": [4.0, 4.0, 5.0]}, at_most=0.6)
    entries = (
        Entry("overhead", "what", "", {"repeats": 3}, 1.0, (measured,)),
        Entry("gpu", "what", "", {}, 0.0, (), "there is none"),
    )
    return Record(SCHEMA, Environment("cpu", "A CPU", 2, "Linux", {"python": "3.11", "torch": "2.15.0+x"}), entries)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_a_published_record(path):
    record = read_record(path)
    assert path.name == record.environment.file_name
    assert {entry.name for entry in record.entries} <= BENCHMARKS.keys()
    text = path.read_text()
    assert "/root" not in text
    assert "/home" not in text


@pytest.mark.skipif(not RECORDS, reason="nothing is published")
def test_the_published_table_is_that_of_the_records():
    assert (PUBLISHED / "README.md").read_text() == table(PUBLISHED)


def test_a_record_comes_back(record, tmp_path):
    path = tmp_path / record.environment.file_name
    write_record(record, path)
    assert path.name == "cpu-2-cores_torch-2.15.0.json"
    assert read_record(path) == record
    page = table(tmp_path)
    assert "| overhead | a | 0.500 | ≤ 0.6 | yes | ours: 2 s (3); theirs: 4 s (3) |" in page
    assert "**gpu**, there is none" in page


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        (("schema",), 2, "schema"),
        (("entries", 0, "figures", 0, "value"), 0.4, "does not follow from raw"),
        (("entries", 0, "figures", 0, "raw", "ours"), [1.0, math.nan], "finite"),
        (("entries", 0, "figures", 0, "raw", "ours"), [], "finite"),
        (("entries", 0, "figures", 0, "at_least"), 0.1, "one side"),
        (("entries", 0, "figures", 0, "how"), "mean", "one of quotient"),
        (("entries", 0, "figures"), [], "one of them must be there"),
        (("entries", 0, "reason"), "both", "one of them must be there"),
        (("entries", 1, "name"), "overhead", "same name"),
        (("environment", "kind"), "tpu", "one of cpu"),
        (("extra",), 1, "unknown key"),
    ],
)
def test_a_damaged_record_is_refused(record, tmp_path, path, value, complaint):
    damaged = json.loads(as_json(record))
    inner = damaged
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    file = tmp_path / "record.json"
    file.write_text(json.dumps(damaged))
    with pytest.raises(InputError, match=complaint):
        read_record(file)


def test_an_entry_takes_the_place_of_its_name(record):
    new = dataclasses.replace(record.entries[0], seconds=9.0)
    other = dataclasses.replace(record.entries[0], name="grid")
    order = ["grid", "overhead", "gpu"]
    found = record.with_entry(new, order).with_entry(other, order)
    assert [(entry.name, entry.seconds) for entry in found.entries] == [("grid", 1.0), ("overhead", 9.0), ("gpu", 0.0)]


def test_r_squared():
    assert figure("t", "line", {"1": [3.0], "2": [5.0], "4": [9.0]}).value == pytest.approx(1)
    # By hand: the line through (0,0), (1,1), (2,0) is flat at 1/3 and explains nothing.
    assert figure("t", "line", {"0": [0.0], "1": [1.0], "2": [0.0]}).value == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("bounds", "holds"), [({}, None), ({"at_most": 2}, True), ({"at_most": 1}, False), ({"at_least": 2}, False)]
)
def test_targets(bounds, holds):
    assert figure("t", "median", {"a": [1.5]}, **bounds).holds is holds


def test_sides_alternate():
    order = []

    def side(name):
        order.append(name)
        return float(len(order))

    assert alternate({"a": lambda: side("a"), "b": lambda: side("b")}, 2) == {"a": [1.0, 4.0], "b": [2.0, 3.0]}
    assert "".join(order) == "abba"


def test_past_the_deadline_no_round_is_begun():
    late = Deadline(0)
    assert late.spent > 0
    assert alternate({"a": lambda: 1.0, "b": lambda: 2.0}, 5, deadline=late) == {"a": [1.0], "b": [2.0]}
    assert alternate({"a": lambda: 1.0}, 2, deadline=Deadline(60)) == {"a": [1.0, 1.0]}


@pytest.mark.slow
def test_what_does_not_fit_into_the_budget_or_raises_is_said():
    toy = dataclasses.replace(TOYS["gpu-pgd-resnet18"], enlarged=(1,), variants=("graphs", "fp32"), budget=1e-6)
    with mock.patch.dict(VARIANTS, {"graphs": Variant(("nothing",))}):
        (only,) = toy.entry("cpu", anywhere=True).figures
        assert (only.name, only.holds) == ("budget", False)
        spent = "TimeoutError: it does not fit into the budget of 1e-06 s any more"
        assert only.notes == {"graphs at 32x64": spent, "fp32 at 32x64": spent}
        *_, last = dataclasses.replace(toy, budget=600.0).entry("cpu", anywhere=True).figures
    assert last.notes == {"graphs at 32x64": "KeyError: 'nothing'"}


def test_other_sizes():
    found = varied([("grid", "images", 8), ("images", "counts", [2, 4])], repeats=2)
    assert (found["grid"].images, found["grid"].repeats, found["images"].counts) == (8, 2, (2, 4))
    with pytest.raises(UsageError, match="did you mean grid"):
        varied([("grip", "images", 8)])
    with pytest.raises(UsageError, match="must be of type int"):
        varied([("grid", "images", "many")])


def test_smaller_frames(tmp_path):
    street = opened("street")
    small = opened(reduced(street, 2, 2, tmp_path / "small"))
    assert list(small.ids) == list(street.ids[:2])
    image, labels = street[1].image.astype(float), street[1].labels["semantic"]
    blocks = image.reshape(48, 2, 96, 2, 3).mean((1, 3))
    np.testing.assert_allclose(small[1].image, blocks, atol=0.51)
    np.testing.assert_array_equal(small[1].labels["semantic"], labels[1::2, 1::2])


def test_every_benchmark_has_a_toy():
    assert TOYS.keys() == BENCHMARKS.keys()


MARKS = {
    **dict.fromkeys(("overhead", "sizes", "startup", "scale"), ()),
    **dict.fromkeys(("foretold", "head"), (pytest.mark.slow,)),
}
"""Of those that do not take minutes."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=MARKS.get(name, [pytest.mark.long])) for name in TOYS])
def test_a_toy_run(name, tmp_path, monkeypatch):
    monkeypatch.setitem(ENGINES, "other", ENGINES["local"])
    entry = TOYS[name].entry("cpu", anywhere=True)
    assert entry.reason == ""
    assert_sound(entry, tmp_path)


def test_a_gpu_is_asked_for():
    assert BENCHMARKS["gpu-pgd-resnet18"].entry("cpu").reason == "it is measured on cuda, not on cpu"


def assert_sound(entry: Entry, folder: Path) -> None:
    assert all(isinstance(one, Figure) for one in entry.figures)
    environment = Environment("cpu", "A CPU", 2, "Linux", {"torch": "2"})
    path = folder / environment.file_name
    record = Record(SCHEMA, environment, (entry,))
    write_record(record, path)
    assert read_record(path) == record
