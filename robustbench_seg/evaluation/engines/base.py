"""What an engine is: a way to spread the work items of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from robustbench_seg.evaluation.job import Job
from robustbench_seg.evaluation.plan import WorkItem
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.results.records import SweepResult

Results = list[SweepResult]


@dataclass(frozen=True)
class Engine:
    """A way to spread work: `run(job, work items, workers, here)` yields their results as they are ready.

    Every worker has the plan's number of threads, so neither engine nor count of workers changes a number. `here` is
    what this process has loaded: a worker in it starts from there. `remote` workers are other processes always, and see
    nothing of this one's memory.
    """

    run: Callable[[Job, Sequence[WorkItem], int, Workplace], Iterator[Results]]
    remote: bool = False
