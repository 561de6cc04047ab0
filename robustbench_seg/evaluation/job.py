"""What an engine hands to its workers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.plan import Plan
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec


@dataclass(frozen=True)
class Pictures:
    """Which images (by index) have panels on the page, and the folder that every perturbed image is saved in."""

    panels: tuple[int, ...] = ()
    folder: Path | None = None


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to take work items: specs to load, the plan, how models are run, pictures, plugins.

    `in_process` keeps the work in threads of this process, for what another one could not see: objects in memory,
    attacks registered from Python, scripts that must not be imported twice. `timeout` is in seconds per work item;
    None is no limit.
    """

    models: Sequence[ModelSpec | InMemory]
    datasets: Sequence[DataSpec | InMemory]
    plan: Plan
    execution: Execution
    pictures: Pictures = Pictures()
    plugins: Sequence[str] = ()
    in_process: bool = False
    timeout: float | None = None
