"""What work cost: images through the model, time, memory."""

from __future__ import annotations

import re
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.attacks.target_model import TargetModel

_PROC = Path("/proc/self")
_RESET_PEAK = "5"
"""Written to clear_refs it sets a process's high-water mark back to what is resident now (man 5 proc)."""


class Meter:
    """Counts what went through the target model and those beside it, time and peak memory since the last reading.

    Memory is what is allocated on the GPU `device`, or what this whole process holds in main memory. Threads of one
    process share the mark, and where the system cannot set it back it is the process's peak so far.
    """

    def __init__(self, target_model: TargetModel, device: str, beside: Sequence[TargetModel] = ()) -> None:
        self._models = (target_model, *beside)
        self._device = torch.device(device)
        self._mark = self._now()
        self._reset_peak()

    def read(self) -> Cost:
        """Return the cost since the last reading."""
        now, before = self._now(), self._mark
        self._mark = now
        peak = self._peak_mb()
        self._reset_peak()
        return Cost(now[0] - before[0], now[1] - before[1], now[2] - before[2], peak)

    def _now(self) -> tuple[int, int, float]:
        cost = sum((model.cost for model in self._models), Cost())
        return cost.forwards, cost.backwards, time.perf_counter()

    def _peak_mb(self) -> float:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device) / 2**20
        try:
            status = (_PROC / "status").read_text(encoding="utf-8")
        except OSError:
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
        peak_kb = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(peak_kb[1]) / 2**10 if peak_kb else 0.0

    def _reset_peak(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return
        try:
            (_PROC / "clear_refs").write_text(_RESET_PEAK, encoding="utf-8")
        except OSError:  # another system, or a process that may not
            return
