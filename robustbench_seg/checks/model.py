"""What a check of the model itself is: it looks at a few images before the work, and judges what it saw."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence

from robustbench_seg.checks.base import Check, Evidence, Looked, Problem, Record, counted
from robustbench_seg.checks.probe import Probe, Scope


class ModelCheck(Check):
    """A check that first looks at the model, and judges what it saw from the record alone."""

    @abstractmethod
    def record(self, probe: Probe) -> Record:
        """What was seen, as plain values."""

    def work(self, scope: Scope) -> tuple[int, int]:
        """How many gradients and forwards, theirs included, that takes; the first clean outputs are anybody's."""
        return 0, 0

    def is_enough(self, record: Record) -> bool:
        """Whether what was seen allows to say anything."""
        return True

    @abstractmethod
    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """What is wrong with it."""

    def look(self, run: Sequence[Evidence]) -> Looked:
        """The record of every model that was looked at."""
        seen = [(evidence, record) for evidence in run if (record := evidence.records.get(self.name)) is not None]
        failed = [f"{evidence.name}: {record['error']}" for evidence, record in seen if "error" in record]
        known = [(evidence, record) for evidence, record in seen if "error" not in record and self.is_enough(record)]
        problems = [problem for evidence, record in known for problem in self.problems(evidence, record)]
        return Looked(counted(len(known), "model"), problems, "; ".join(failed))
