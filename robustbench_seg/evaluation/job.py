"""What an engine hands to its workers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.plan import Plan


@dataclass(frozen=True)
class Pictures:
    """Which images (by index) have panels on the page, and the folder that every perturbed image is saved in."""

    panels: tuple[int, ...] = ()
    folder: Path | None = None


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to take work items: what was asked for, the plan, how models are run, pictures."""

    config: EvaluationConfig
    plan: Plan
    execution: Execution
    pictures: Pictures = Pictures()

    @property
    def timeout(self) -> float | None:
        """Seconds per work item; None is no limit."""
        return self.config.timeout or None
