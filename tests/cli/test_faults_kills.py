"""Runs killed at random moments, in the middle of every kind of work."""

import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.processes import Started, bytes_of, command, shards, whole_files

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    assert Started(command(folder)).end()[0] == 0
    return bytes_of(folder)


@pytest.mark.parametrize(
    ("workers", "kills"),
    [
        pytest.param(2, 4, marks=pytest.mark.slow),
        pytest.param(1, 10, marks=pytest.mark.long),
        pytest.param(2, 20, marks=pytest.mark.long),
    ],
)
def test_killed_at_random_moments_the_tables_are_the_same(undisturbed, tmp_path, workers, kills):
    rng = np.random.default_rng(workers)
    folder = tmp_path / "run"
    attempt, landed, seen = 0, 0, set()
    while landed < kills:
        attempt += 1
        started = Started(command(folder, workers), delay=0.1)
        # Any moment, start-up included; every other time one of the work, which start-up would hide.
        if attempt % 2:
            before = shards(folder)
            started.until(lambda known=before: shards(folder) > known)
        time.sleep(rng.uniform(0, 0.5 if attempt % 2 else 4.0))
        started.send(signal.SIGKILL, group=True)
        code, _ = started.end()
        landed += code == -signal.SIGKILL
        seen.add(shards(folder))
        whole_files(folder)
    assert len(seen) > 1
    code, err = Started(command(folder, workers)).end()
    assert (code, err) == (0, "")
    assert bytes_of(folder) == undisturbed
    assert not list(folder.rglob("*.partial"))


@pytest.mark.slow
def test_killed_while_tables_figures_and_page_are_written(undisturbed, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "run"
    assert Started(command(folder)).end()[0] == 0
    for _ in range(2):
        for path in (*folder.glob("*.csv"), *folder.glob("*.html"), *folder.glob("figures/*.png")):
            path.unlink()
        started = Started(command(folder))
        assert started.until(lambda: any(folder.glob("*.csv")) or any(folder.glob(".*.partial")))
        time.sleep(rng.uniform(0, 0.8))
        started.send(signal.SIGKILL, group=True)
        started.end()
        whole_files(folder)
    assert Started(command(folder)).end()[0] == 0
    assert bytes_of(folder) == undisturbed
    assert {path.suffix for path in folder.rglob("*.*")} == {".csv", ".json", ".html", ".png", ".sqlite", ""}
