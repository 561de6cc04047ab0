"""Whole processes: killed and interrupted at random moments, two at a time, in the middle of every kind of work."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robustbench_seg.results.store import Store

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="looks into /proc"),
]

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"
GRID = ("-a", "fgsm", "-a", "gaussian", "-a", "apgd", "-a", "worst", "-e", "1,4")
WARM = ("--set", "apgd.steps=2", "--set", "apgd.warm_start=true")
LINE = "robustseg: interrupted; give the command again to resume\n"
TABLES = ("summary.csv", "classes.csv")


def command(folder, workers=1, *more):
    arguments = ["evaluate", "--plugin", TOY, "-m", "toy-single", "-m", "toy-multi", "-d", "toy", *GRID, *WARM]
    options = ["--batch-size", 1, "--workers", workers, "--json", *more, "-o", folder]
    return [sys.executable, "-m", "robustbench_seg", *map(str, [*arguments, *options])]


class Started:
    """A command in a process group of its own."""

    def __init__(self, arguments, delay=0.0):
        self.process = subprocess.Popen(
            arguments,
            env={**os.environ, "TOY_DELAY": str(delay), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def until(self, reached):
        """Wait for a moment; False where the command ended before."""
        while not reached():
            if self.process.poll() is not None:
                return False
            time.sleep(0.02)
        return True

    def send(self, number, group):
        with contextlib.suppress(ProcessLookupError):  # it may have ended by now
            (os.killpg if group else os.kill)(self.process.pid, number)

    @contextlib.contextmanager
    def paused(self):
        """Halfway, however long the block takes."""
        self.send(signal.SIGSTOP, group=False)
        try:
            yield
        finally:
            self.send(signal.SIGCONT, group=False)

    def end(self):
        """(exit code, standard error) once it and everything that it started is gone."""
        _, err = self.process.communicate(timeout=90)
        deadline = time.monotonic() + 10
        while self.is_alive():
            assert time.monotonic() < deadline, "a process was left behind"
            time.sleep(0.05)
        return self.process.returncode, err

    def is_listening(self):
        """Whether it catches SIGTERM: before that Python itself is still starting, and nothing has begun."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        (caught,) = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
        return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)

    def is_alive(self):
        try:
            os.killpg(self.process.pid, 0)
        except ProcessLookupError:
            return False
        return True


def shards(folder):
    path = folder / "store.sqlite"
    if not path.exists() or not path.stat().st_size:
        return 0
    with Store(path, create=False) as store:
        return len(store.done())


def bytes_of(folder):
    return [(folder / name).read_bytes() for name in TABLES]


def whole_files(folder):
    """Every file is absent or complete."""
    for path in folder.glob("*.csv"):
        assert path.read_text().endswith("\n"), path
    for path in folder.glob("figures/*.png"):
        Image.open(io.BytesIO(path.read_bytes())).load()
    for path in folder.glob("*.html"):
        assert path.read_text().rstrip().endswith("</html>")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    assert Started(command(folder)).end()[0] == 0
    return bytes_of(folder)


@pytest.mark.parametrize(("workers", "kills"), [(1, 5), (2, 20)])
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
    assert len(seen) > 2
    code, err = Started(command(folder, workers)).end()
    assert (code, err) == (0, "")
    assert bytes_of(folder) == undisturbed
    assert not list(folder.rglob("*.partial"))


def test_killed_while_tables_figures_and_page_are_written(undisturbed, tmp_path):
    rng = np.random.default_rng(0)
    folder = tmp_path / "run"
    assert Started(command(folder)).end()[0] == 0
    for _ in range(4):
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


MOMENTS = {
    "loading": (lambda folder: True, 2.0),
    "workers' imports": (lambda folder: (folder / "store.sqlite").exists(), 2.0),
    "work": (lambda folder: shards(folder) >= 1, 0.5),
    "tables and report": (lambda folder: (folder / "summary.csv").exists(), 0.2),
}


@pytest.mark.parametrize(("workers", "number"), [(2, signal.SIGINT), (1, signal.SIGTERM)])
@pytest.mark.parametrize("moment", MOMENTS)
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


def test_interrupted_in_a_long_unit_it_ends_soon(tmp_path):
    started = Started(command(tmp_path / "run"), delay=20)
    assert started.until(lambda: (tmp_path / "run" / "store.sqlite").exists())
    time.sleep(1)
    started.send(signal.SIGINT, group=True)
    assert started.end() == (130, LINE)


def test_two_processes_on_one_new_folder(undisturbed, tmp_path):
    """One of them does the run; the other one, whichever it is, is refused and harms nothing."""
    folder = tmp_path / "run"
    both = [Started(command(folder), delay=0.1) for _ in range(2)]
    ends = sorted(started.end() for started in both)
    assert [code for code, _ in ends] == [0, 3]
    assert ends[1][1].count("\n") == 1
    assert f"run folder '{folder}' is in use by another evaluation" in ends[1][1]
    assert bytes_of(folder) == undisturbed


def test_reading_during_a_run(undisturbed, tmp_path):
    """The first time there is nothing to read yet; while a run is extended the tables so far can be read."""
    folder = tmp_path / "run"

    def read(name, *more):
        return Started([sys.executable, "-m", "robustbench_seg", name, str(folder), *more]).end()

    started = Started(command(folder, 1, "--limit", 6), delay=0.1)
    assert started.until(lambda: shards(folder) > 0)
    with started.paused():
        code, err = read("report")
    assert (code, err.count("\n")) == (3, 1)
    assert "not a finished one" in err
    assert started.end() == (0, "")
    started = Started(command(folder), delay=0.1)
    assert started.until(lambda: shards(folder) > 6 * 2 * 3)
    with started.paused():
        assert read("report") == (0, "")
        assert read("plot", "-o", str(tmp_path / "out")) == (0, "")
    assert started.end() == (0, "")
    assert bytes_of(folder) == undisturbed
