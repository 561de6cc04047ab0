"""The script for the day a GPU is there runs on a CPU at toy size, and loses nothing."""

from __future__ import annotations

import json
import sys

import pytest

from tests.bench.record import read_record
from tests.bench.suite import GROUPS
from tests.gpu import run


def read(out):
    return {part["name"]: part for part in json.loads((out / "parts.json").read_text())}


@pytest.mark.slow
def test_parts_run_and_leave_logs_and_records(tmp_path):
    assert run.main([str(tmp_path), "--toy", "--only", "machine,gpu-pgd-resnet101,training", "--seconds", "3000"]) == 0
    assert list(read(tmp_path)) == ["machine", "gpu-pgd-resnet101", "training"]
    (record,) = (tmp_path / "benchmarks").glob("*.json")
    assert [entry.name for entry in read_record(record).entries] == ["gpu-pgd-resnet101"]
    assert "card and weights" in (tmp_path / "training.log").read_text()


def test_every_benchmark_of_a_gpu_is_a_part_and_all_fit_into_eight_minutes(tmp_path):
    parts = run.parts(tmp_path, toy=False)
    assert set(GROUPS["gpu"]) < {part.name for part in parts}
    assert sum(part.limit for part in parts) <= run.SECONDS + 20


def test_what_takes_too_long_is_stopped_and_the_rest_goes_on(tmp_path, monkeypatch):
    sleep = "import sys, time; print('begun', flush=True); time.sleep(60)"
    made = (run.Part("sleep", 2.0, ("-c", sleep)), run.Part("fail", 9.0, ("-c", "import sys; sys.exit(3)")))
    monkeypatch.setattr(run, "parts", lambda out, toy: (*made, run.Part("late", 9.0, ("-c", ""))))
    clock = iter([0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 2.1, 100.0])
    monkeypatch.setattr(run.time, "monotonic", lambda: next(clock))
    assert run.main([str(tmp_path), "--seconds", "60"]) == 1
    found = read(tmp_path)
    assert [part["code"] for part in found.values()] == [None, 3, None]
    assert (tmp_path / "sleep.log").read_text() == "begun\n"
    assert found["late"]["seconds"] == 0
    assert found["fail"]["command"][0] == sys.executable
