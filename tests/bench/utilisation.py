"""How busy a GPU is while something runs, as nvidia-smi sees it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from statistics import fmean
from types import TracebackType

_EVERY_MS = 200


class Utilisation:
    """Samples the percentage of time that the first visible GPU computes, while the block lasts.

    `samples` are empty where there is no nvidia-smi.
    """

    def __init__(self) -> None:
        self.samples: list[float] = []

    @property
    def whole(self) -> float:
        """The mean over the block."""
        return fmean(self.samples)

    @property
    def working(self) -> float:
        """The mean from the first sample to the last at which the GPU was busy."""
        busy = [index for index, value in enumerate(self.samples) if value > 0]
        return fmean(self.samples[busy[0] : busy[-1] + 1]) if busy else 0.0

    def __enter__(self) -> Utilisation:
        self._output = tempfile.TemporaryFile("w+")
        self._process = None
        if program := shutil.which("nvidia-smi"):
            gpu = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0] or "0"
            query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits"]
            command = [program, *query, "-i", gpu, "-lms", str(_EVERY_MS)]
            self._process = subprocess.Popen(command, stdout=self._output, stderr=subprocess.DEVNULL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
        self._output.seek(0)
        self.samples = [float(line) for line in self._output.read().split() if line.isdigit()]
        self._output.close()
