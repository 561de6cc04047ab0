"""A run of the command as a process of its own, for tests that kill or interrupt it."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image

from robustbench_seg.results.store import Store

TOY = Path(__file__).parents[1] / "plugins" / "toy.py"
GRID = ("-a", "fgsm", "-a", "gaussian", "-a", "apgd", "-a", "worst", "-e", "1,4")
WARM = ("--set", "apgd.steps=2", "--set", "apgd.warm_start=true")
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
