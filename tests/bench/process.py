"""Whole processes: how long a command took, and the memory it and its workers needed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robustbench_seg.cli.exit_codes import DONE, DOUBTED

ROOT = Path(__file__).resolve().parents[2]
ROBUSTSEG = ("-m", "robustbench_seg")
_EVERY_S = 0.1
_PEAK = re.compile(r"VmHWM:\s+(\d+) kB")


@dataclass(frozen=True)
class Finished:
    """A command that ended well: seconds from start to exit, and the sum of its processes' memory peaks in MB."""

    seconds: float
    peak_mb: float


def run(arguments: Sequence[str | Path]) -> Finished:
    """Run Python with these arguments in the repository's root; RuntimeError with its last words if it fails.

    Threads are left as a user finds them: variables that limit them are taken out of the environment.
    """
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {key: value for key, value in os.environ.items() if key not in limits}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with tempfile.TemporaryFile() as output:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *map(str, arguments)], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
        peaks = _Peaks(process.pid)
        code = process.wait()
        seconds = time.perf_counter() - start
        peak = peaks.total()
        # Numbers of a network that was trained for seconds need not be believed: what is measured is time.
        if code not in (DONE, DOUBTED):
            output.seek(0)
            raise RuntimeError(f"exit code {code}: {output.read().decode(errors='replace')[-2000:]}")
    return Finished(seconds, peak)


class _Peaks:
    """The kernel's high-water mark of a process and each of its descendants, the highest seen until they are gone.

    robustseg sets the mark back between cells, so that it is read often."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peaks: dict[int, int] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def total(self) -> float:
        """The sum in MB, when the process has ended."""
        self._ended.set()
        self._thread.join()
        return sum(self._peaks.values()) / 2**10

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_S):
            command = _command(self._pid)
            for pid in _tree(self._pid):
                # A child that has not started its own program yet shows its parent's memory.
                if pid != self._pid and _command(pid) == command:
                    continue
                found = _PEAK.search(_read(f"/proc/{pid}/status"))
                self._peaks[pid] = max(self._peaks.get(pid, 0), int(found[1]) if found else 0)


def _tree(pid: int) -> list[int]:
    """A process and its descendants."""
    tasks = Path(f"/proc/{pid}/task")
    children = " ".join(_read(f"{tasks}/{task}/children") for task in _names(tasks)).split()
    return [pid, *(deeper for child in children for deeper in _tree(int(child)))]


def _command(pid: int) -> str:
    return _read(f"/proc/{pid}/cmdline")


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  (a process may be gone at any moment; names are all that is needed)
    except OSError:
        return []


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
