"""`--fast` before the work: every pair's model is run in several ways on its first images, and the best is kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.evaluation.attack import ConfiguredAttack
from robustbench_seg.evaluation.batch import Batch
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.fast import Strength, choose
from robustbench_seg.evaluation.optimize import Execution
from robustbench_seg.evaluation.plan import Pair, Plan
from robustbench_seg.evaluation.probing import first_batches
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.models.cost import typical_seconds
from robustbench_seg.registry import described
from robustbench_seg.results.keys import AttackConfiguration
from robustbench_seg.results.pair import ratio
from robustbench_seg.tasks.base import Outputs, Statistics, rescaled

IMAGES = 16
"""So many are attacked, in whole batches."""
STEPS = 5
EPSILON = 4.0
_SHARE = 0.1
"""The attacks of one trial take at most this share of the run's gradients."""

FAST = "fast"
"""Where the records are kept in a store and in run.json."""
Records = Mapping[str, Mapping[str, Any]]


class ModelTrial:
    """A context on its first batches, ready to take gradients; see `fast.Trial`."""

    def __init__(self, context: WorkerContext, batches: Sequence[Batch], begun: float) -> None:
        self.context = context
        self._batches = batches
        self._task = next(iter(context.tasks.values()))
        configuration = AttackConfiguration("pgd", self._task.name, "linf", (EPSILON,), {"steps": STEPS})
        self._attack = ConfiguredAttack(configuration, context.tasks)
        with context.target_model.frozen():
            # Compiled code is another one without a graph.
            context.target_model.outputs(batches[0].images)
            attacked, _ = self._under_attack(batches[0])
            gradient = partial(attacked.gradient, batches[0].images.clone())
            gradient()
            self.preparation = time.perf_counter() - begun
            self.seconds = typical_seconds(gradient, context.execution.device) / len(batches[0])

    def strength(self) -> Strength:
        """Attack every batch as the work does: from the clean forward, scored in fp32."""
        clean: list[Statistics] = []
        perturbed: list[Statistics] = []
        with self.context.target_model.frozen():
            for batch in self._batches:
                attacked, outputs = self._under_attack(batch)
                ((_, images),) = self._attack.perturbation().perturb(attacked, [EPSILON], "linf")
                clean += self._statistics(batch, outputs)
                perturbed += self._statistics(batch, self.context.target_model.outputs(images))
            outputs = self.context.target_model.outputs(self.context.first.images)
        values = [self._value(clean, clean), self._value(perturbed, clean)]
        (metric,) = (metric for metric in self._task.metrics if metric.name == self._task.curve)
        retained = ratio(metric, np.asarray(values[1:]), np.asarray(values[:1]))
        return Strength(values[1], float(retained[0]), outputs)

    def _under_attack(self, batch: Batch) -> tuple[AttackContext, Outputs]:
        """What the attack sees of a batch, its first gradient taken, and the clean outputs."""
        clean = self.context.target_model.forward_pass(batch.images)
        loss = self._attack.adversarial_loss(self.context.reference(batch, clean.outputs))
        attacked = self.context.under_attack(batch, loss, clean)
        attacked.gradient(batch.images)
        clean.release()
        return attacked, clean.outputs

    def _statistics(self, batch: Batch, outputs: Outputs) -> list[Statistics]:
        seen = rescaled(self._task, outputs, batch.labels, self.context.model.depth_align)
        return self._task.statistics(seen, batch.labels, len(self._task.class_set(self.context.classes)))

    def _value(self, statistics: Sequence[Statistics], clean: Sequence[Statistics]) -> float:
        values = self._task.values(statistics, np.ones((1, len(statistics))), self._task.scored(clean))
        return float(values.overall[self._task.curve][0])


@dataclass(frozen=True, eq=False)
class FastStage:
    """Chooses for every pair of a plan; the context that was chosen goes on in the workplace.

    `workers` share the work, which takes `most_seconds` at most.
    """

    plan: Plan
    workplace: Workplace
    execution: Execution
    workers: int
    most_seconds: float

    def run(self) -> Records:
        """Return what was found, by pair."""
        return {self.workplace.name(pair): self._record(pair) for pair in self.plan.pairs}

    def _record(self, pair: Pair) -> dict[str, Any]:
        context = self.workplace.context(pair)
        gradients = pair.n_images * sum(attack.num_gradients for attack in context.attacks)
        if _SHARE * gradients < IMAGES * STEPS:
            return {"kept": [], "reason": f"only {gradients} gradients"}
        size = self.plan.batch_size
        try:
            batches = first_batches(context, min(pair.n_images, -(-IMAGES // size) * size), size)
            trial = partial(self._trial, pair, batches)
            choice = choose(self.execution, trial, gradients / self.workers, self.most_seconds)
        except (Exception, SystemExit) as error:
            # It is reported where it ends the run.
            return {"kept": [], "reason": described(error)[:200]}
        self.workplace.keep(choice.best.context)
        return choice.record()

    def _trial(self, pair: Pair, batches: Sequence[Batch], execution: Execution) -> ModelTrial:
        begun = time.perf_counter()
        known = execution == self.execution
        context = self.workplace.context(pair) if known else self.workplace.opened(pair, execution)
        return ModelTrial(context, batches, begun)


def with_choices(plan: Plan, workplace: Workplace, records: Records) -> Plan:
    """Return the plan with every pair of the records run as was found for it, and a note on each."""
    kept = {name: tuple(record["kept"]) for name, record in records.items()}
    pairs = tuple(replace(pair, faster=kept.get(workplace.name(pair), ())) for pair in plan.pairs)
    return replace(plan, pairs=pairs, notes=(*plan.notes, *notes_of(records)))


def notes_of(records: Records) -> list[str]:
    """Return a line on every pair: what was kept, what that brings, and why the rest was left out."""
    return [f"fast: {name}: {_told(record)}" for name, record in records.items()]


def _told(record: Mapping[str, Any]) -> str:
    if "strict" not in record:
        return f"fp32 as it is ({record.get('reason', 'not tried')})"
    left_out = ", ".join(f"{one['name']} ({one['reason']})" for one in record["tried"] if one["reason"])
    others = f"; left out: {left_out}" if left_out else ""
    if not record["kept"]:
        return f"fp32 as it is{others}"
    strict = record["strict"]
    best = [one for one in record["tried"] if not one["reason"]][-1]
    speed = f"a gradient of one image takes {1000 * best['seconds']:.3g} ms, not {1000 * strict['seconds']:.3g}"
    harm = f"Q under PGD {best['retained']:.3f}, not {strict['retained']:.3f}"
    return f"{', '.join(record['kept'])}: {speed}; {harm}{others}"
