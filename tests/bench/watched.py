"""A run in this process, and when it said how far it was."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.progress import Progress
from robustbench_seg.evaluation.run import run_evaluation


@dataclass(frozen=True)
class Mark:
    """Seconds of the clock and of this process' CPU time, and shards done by then."""

    seconds: float
    cpu: float
    done: int


@dataclass(frozen=True)
class Watched:
    """A run that is done: its first mark is set when the models are checked, and workers are about to start."""

    prepared: PreparedEvaluation
    marks: tuple[Mark, ...]

    @property
    def seconds(self) -> float:
        """From the start of the workers to the last result."""
        return self.marks[-1].seconds - self.marks[0].seconds


def watched(config: EvaluationConfig, folder: Path) -> Watched:
    """Evaluate into a folder."""
    prepared = PreparedEvaluation(config, folder)
    marks: list[Mark] = []

    def on_progress(progress: Progress) -> None:
        if not progress.text:
            marks.append(Mark(time.perf_counter(), time.process_time(), progress.done))

    run_evaluation(prepared, folder, on_progress)
    return Watched(prepared, tuple(marks))
