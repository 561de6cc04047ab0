"""The check stage: model checks look at every pair on a few images before the work, and their records are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from robustbench_seg.checks.judge import MODEL_CHECKS, RECORDS
from robustbench_seg.checks.model import ModelCheck
from robustbench_seg.checks.probe import Probe, scope_of
from robustbench_seg.evaluation.batch import Batch
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.memory import enough_memory
from robustbench_seg.evaluation.plan import Pair, Plan
from robustbench_seg.evaluation.worker import read
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.registry import described
from robustbench_seg.results.store import Store

IMAGES = 16
"""So many images are looked at, at most."""


def check_work(pair: Pair, batch_size: int, n_images: int) -> tuple[int, int]:
    """Gradients and forwards, theirs included, that all checks of a pair's model take."""
    scope = scope_of(pair.configurations, pair.load_tasks(), min(IMAGES, n_images), batch_size)
    work = [check.work(scope) for check in MODEL_CHECKS]
    return sum(gradients for gradients, _ in work), sum(forwards for _, forwards in work)


def checked_pairs(plan: Plan, store: Store) -> set[int]:
    """The pairs of a plan whose model was looked at by every check, on as many images as it will be.

    Where none of these can be read no check has a record, and the pair is looked at again.
    """
    stored = store.read_meta(RECORDS)
    known = stored if isinstance(stored, dict) else {}
    names = {check.name for check in MODEL_CHECKS}
    seen = {index: known.get(str(index), {}) for index in range(len(plan.pairs))}
    counts = {index: min(IMAGES, pair.n_images) for index, pair in enumerate(plan.pairs)}
    return {i for i, of in seen.items() if of.get("images") == counts[i] and names <= set(of["records"])}


@dataclass(frozen=True, eq=False)
class CheckStage:
    """Looks at the models of a plan; what is stored of the same number of images is not looked at again."""

    plan: Plan
    workplace: Workplace
    store: Store

    def run(self, report: Callable[[str], None]) -> None:
        """Look at every pair that has not been looked at; `report` is told at which."""
        stored = self.store.read_meta(RECORDS)
        known: dict[str, Any] = dict(stored) if isinstance(stored, dict) else {}
        done = checked_pairs(self.plan, self.store)
        for index, pair in ((i, pair) for i, pair in enumerate(self.plan.pairs) if i not in done):
            count = min(IMAGES, pair.n_images)
            context = self.workplace.context(pair)
            report(f"checking {context.model.name} on {context.dataset.name}")
            probe = Probe(context, first_batches(context, count, self.plan.batch_size))
            records = {check.name: _record(check, probe) for check in MODEL_CHECKS} if probe.looks else {}
            known[str(index)] = {"images": count, "records": records}
            self.store.write_meta(RECORDS, known)


def first_batches(context: WorkerContext, count: int, size: int) -> list[Batch]:
    """Return those of the first `count` images that can be read, in batches of `size` as the work has them."""
    parts = [range(start, min(start + size, count)) for start in range(0, count, size)]
    return [batch for images in parts for batch in read(context, images).batches]


def _record(check: ModelCheck, probe: Probe) -> dict[str, Any]:
    """What a check saw, or why it could see nothing, and what that cost beyond the checks before it."""
    context = probe.context
    meter = context.meter()
    try:
        with enough_memory("a model was checked"), context.target_model.frozen():
            record = dict(check.record(probe))
    except (Exception, SystemExit) as error:
        record = {"error": described(error)[:300]}
    return {"record": record, "cost": asdict(meter.read())}
