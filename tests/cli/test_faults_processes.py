"""Whole processes: interrupted at random moments, two at a time, read while they run."""

import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.processes import Started, bytes_of, command, shards

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")

LINE = "robustseg: interrupted; give the command again to resume\n"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    assert Started(command(folder)).end()[0] == 0
    return bytes_of(folder)


MOMENTS = {
    "loading": (lambda folder: True, 2.0),
    "workers' imports": (lambda folder: (folder / "store.sqlite").exists(), 2.0),
    "work": (lambda folder: shards(folder) >= 1, 0.5),
    "tables and report": (lambda folder: (folder / "summary.csv").exists(), 0.2),
}


ONE, TWO = (1, signal.SIGTERM), (2, signal.SIGINT)
IN_CI = {("loading", ONE), ("workers' imports", TWO), ("work", TWO), ("tables and report", ONE)}


@pytest.mark.parametrize(
    ("moment", "workers", "number"),
    [
        pytest.param(moment, *how, marks=pytest.mark.slow if (moment, how) in IN_CI else pytest.mark.long)
        for moment in MOMENTS
        for how in (ONE, TWO)
    ],
)
def test_interrupted_at_any_moment_it_says_how_to_resume(undisturbed, tmp_path, workers, moment, number):
    """Ctrl-C reaches the whole group, SIGTERM the process that was started."""
    rng = np.random.default_rng(workers)
    reached, spread = MOMENTS[moment]
    folder = tmp_path / "run"
    started = Started(command(folder, workers), delay=0 if moment == "tables and report" else 0.02)
    assert started.until(started.is_listening)
    assert started.until(lambda: reached(folder))
    time.sleep(rng.uniform(0, spread))
    started.send(number, group=number == signal.SIGINT)
    assert started.end() == (128 + number, LINE)
    assert Started(command(folder, workers)).end()[0] == 0
    assert bytes_of(folder) == undisturbed


@pytest.mark.slow
def test_interrupted_in_a_long_unit_it_ends_soon(tmp_path):
    started = Started(command(tmp_path / "run"), delay=20)
    assert started.until(lambda: (tmp_path / "run" / "store.sqlite").exists())
    time.sleep(1)
    started.send(signal.SIGINT, group=True)
    assert started.end() == (130, LINE)


@pytest.mark.slow
def test_two_processes_on_one_new_folder(undisturbed, tmp_path):
    """One of them does the run; the other one, whichever it is, is refused and harms nothing."""
    folder = tmp_path / "run"
    both = [Started(command(folder), delay=0.03) for _ in range(2)]
    ends = sorted(started.end() for started in both)
    assert [code for code, _ in ends] == [0, 3]
    assert ends[1][1].count("\n") == 1
    assert f"run folder '{folder}' is in use by another evaluation" in ends[1][1]
    assert bytes_of(folder) == undisturbed


@pytest.mark.slow
def test_reading_during_a_run(undisturbed, tmp_path):
    """The first time there is nothing to read yet; while a run is extended the tables so far can be read."""
    folder = tmp_path / "run"

    def read(name, *more):
        return Started([sys.executable, "-m", "robustbench_seg", name, str(folder), *more]).end()

    started = Started(command(folder, 1, "--limit", 6), delay=0.02)
    assert started.until(lambda: shards(folder) > 0)
    with started.paused():
        code, err = read("report")
    assert (code, err.count("\n")) == (3, 1)
    assert "not a finished one" in err
    assert started.end() == (0, "")
    started = Started(command(folder), delay=0.02)
    assert started.until(lambda: shards(folder) > 6 * 2 * 3)
    with started.paused():
        assert read("report") == (0, "")
        assert read("plot", "-o", str(tmp_path / "out")) == (0, "")
    assert started.end() == (0, "")
    assert bytes_of(folder) == undisturbed
