"""What an engine is: a way to spread the work items of a job; and the engines there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.job import Job
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.registry import lazy, unknown
from robustbench_seg.results.records import SweepResult

Results = list[SweepResult]


@dataclass(frozen=True)
class Engine:
    """A way to spread work: `run(job, work items, workers, here)` yields their results as they are ready.

    It yields an empty list at least every second or so, for callers with a clock to show. Every worker has the plan's
    number of threads, so neither engine nor count of workers changes a number. `here` is what this process has loaded:
    a worker in it starts from there. `remote` workers are other processes always, and see nothing of this one's memory.
    """

    run: Callable[[Job, Sequence[WorkItem], int, Workplace], Iterator[Results]]
    remote: bool = False


ENGINES: dict[str, Callable[[], object]] = {
    "local": lazy("robustbench_seg.evaluation.engines.local:LOCAL"),
    "ray": lazy("robustbench_seg.evaluation.engines.ray_actors:RAY"),
}
"""Loaders: an engine is imported when it is used."""


def engine_of(config: EvaluationConfig) -> Engine:
    """Return the engine that is asked for; UsageError where there is none or where it cannot do what is asked."""
    name = config.engine
    if name not in ENGINES:
        raise UsageError(unknown("engine", name, ENGINES))
    engine = ENGINES[name]()
    assert isinstance(engine, Engine)
    in_memory = [spec.name for spec in (*config.models, *config.datasets) if isinstance(spec, InMemory)]
    if engine.remote and (config.in_process or in_memory):
        what = " and ".join(in_memory) or "what is registered from Python"
        raise UsageError(f"engine '{name}' cannot send {what} to other processes; use engine 'local'")
    if config.timeout and config.in_process:
        raise UsageError(f"timeout {config.timeout:g}: work inside this process cannot be stopped; leave it out")
    return engine
