"""Where a run's time goes beside the model: metrics, store, tables and report."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from unittest import mock

from robustbench_seg.evaluation import probing, scoring
from robustbench_seg.evaluation import run as evaluation_run
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.report import write
from robustbench_seg.results.store import Store
from tests.bench.benchmark import Benchmark
from tests.bench.record import Figure, figure
from tests.bench.subjects import catalogue
from tests.bench.timing import adding

PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "metrics": ((scoring, "measure"), (scoring, "pack")),
    "store": ((Store, "write"),),
    "checks": ((probing.CheckStage, "run"),),
    "tables": ((evaluation_run, "judged"), (evaluation_run, "write_tables")),
    "report": ((write, "write_report"),),
}
"""The functions that make up each part; none calls another's."""


@dataclass(frozen=True)
class Shares(Benchmark):
    """One worker inside this process, so that its parts add up to its wall time."""

    name: ClassVar[str] = "shares"
    what: ClassVar[str] = "share of a run's wall time (klingner2020, one worker): metrics, store, checks, tables, page"

    images: int = 16
    model: str = "street-single"

    def figures(self, device: str) -> Iterator[Figure]:
        """A share a part."""
        runs = [self._run() for _ in range(self.repeats)]
        for part in PARTS:
            raw = {part: [run[part] for run in runs], "run": [run["run"] for run in runs]}
            yield figure(part, "quotient", raw)

    def _run(self) -> dict[str, float]:
        spent = dict.fromkeys((*PARTS, "run"), 0.0)
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            for part, functions in PARTS.items():
                for owner, name in functions:
                    stack.enter_context(mock.patch.object(owner, name, adding(getattr(owner, name), spent, part)))
            adding(self._evaluate, spent, "run")(Path(folder))
        return spent

    def _evaluate(self, folder: Path) -> None:
        config = EvaluationConfig(
            [catalogue(self.model).spec],
            [DataSpec("street")],
            PROTOCOLS.get("klingner2020"),
            limit=self.images,
            device="cpu",
            workers=1,
            in_process=True,
        )
        write.write_report(evaluation_run.run_evaluation(PreparedEvaluation(config, folder), folder))
