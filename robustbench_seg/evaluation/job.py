"""What an engine hands to its workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
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
class Fit:
    """What is fitted: a configuration of a pair, for one epsilon (infinite where it has none)."""

    pair: int
    configuration: int
    epsilon: float


Artefacts = Mapping[Fit, bytes]
"""What came out of every fit, as safetensors: workers on other machines do not see the run folder."""


@dataclass(frozen=True)
class Job:
    """Everything a worker needs: what was asked for, the plan, how models are run, pictures, what was fitted."""

    config: EvaluationConfig
    plan: Plan
    execution: Execution
    pictures: Pictures = Pictures()
    artefacts: Artefacts = field(default_factory=dict)

    @property
    def timeout(self) -> float | None:
        """Seconds per work item; None is no limit."""
        return self.config.timeout or None
