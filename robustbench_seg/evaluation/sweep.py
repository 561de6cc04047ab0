"""Every attack configuration on one batch; the clean forward, first gradients and equal cells are computed once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch
from torch import Tensor

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.cost import Cost
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference
from robustbench_seg.attacks.target_model import ForwardPass
from robustbench_seg.evaluation.attack import ConfiguredAttack
from robustbench_seg.evaluation.batch import Batch
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.host_work import done
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.memory import is_out_of_memory
from robustbench_seg.evaluation.meter import Meter
from robustbench_seg.evaluation.scoring import Cell, Records, Scorer
from robustbench_seg.evaluation.stored import SEEN
from robustbench_seg.registry import described
from robustbench_seg.results.keys import FLOAT
from robustbench_seg.results.records import CellResult, ImageResult

Target = tuple[AttackContext, AdversarialLoss | None]


@dataclass(frozen=True)
class StartedCell:
    """A cell whose records come when the host is through with them."""

    epsilon: float | None
    records: Future[Records]
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True)
class Run:
    """An attack that was started on a sweep's batch."""

    sweep: AttackSweep
    attack: ConfiguredAttack
    started: Sequence[StartedCell]

    def cells(self) -> list[CellResult]:
        """Wait for every cell; where one raises the images are run again, half of them at a time."""
        try:
            return [CellResult(cell.epsilon, cell.records.result(), cell.cost) for cell in self.started]
        except (Exception, SystemExit) as error:
            return self.sweep.after(self.attack, error).cells()


class AttackSweep:
    """One batch of one pair."""

    def __init__(self, context: WorkerContext, batch: Batch, pictures: Pictures) -> None:
        self.context = context
        self.batch = batch
        self.pictures = pictures
        self._scorer = Scorer(context, batch, pictures)
        self._pass: ForwardPass | None = None
        self._reference: CleanReference | None = None
        self._targets: dict[Hashable, Target] = {}
        self._clean_cells: list[StartedCell] = []
        self._scored: dict[tuple[Hashable, str], Future[Records]] = {}
        self._prepaid: dict[Hashable, Cost] = {}
        self._halves: list[AttackSweep] = []
        self._label_versions = _versions(batch.labels)
        self._output_versions: list[int] = []

    def share(self, attacks: Sequence[ConfiguredAttack]) -> None:
        """Take the gradients at the clean images that attacks start from, while the clean forward's graph lives.

        What it costs is counted where it is used. What raises here raises again in the configuration it concerns.
        """
        try:
            for attack in attacks:
                if attack.is_clean:
                    # Before any adversarial loss is made, which might write into the outputs.
                    self._clean_cells = self._clean(attack)
                elif attack.uses_clean_gradient:
                    meter = self._meter()
                    attack_context, _ = self._target(attack)
                    attack_context.gradient(attack_context.images)
                    self._prepaid[attack.loss_key] = self._prepaid.get(attack.loss_key, Cost()) + meter.read()
        except (Exception, SystemExit):
            return
        finally:
            if self._pass is not None:
                self._pass.release()

    @property
    def is_written(self) -> bool:
        """Whether labels or clean outputs were written into: all that follows would be measured from others."""
        outputs = [] if self._reference is None else _versions(self._reference.outputs)
        return (
            _versions(self.batch.labels) != self._label_versions
            or outputs != self._output_versions
            or any(half.is_written for half in self._halves)
        )

    def start(self, attack: ConfiguredAttack) -> Run:
        """Start every cell of an attack; what the host has to do for their records may take longer (`Run.cells`)."""
        if self._halves:
            return self._by_halves(attack, self._halves)
        try:
            cells = (self._clean_cells or self._clean(attack)) if attack.is_clean else self._attacked(attack)
            return Run(self, attack, cells)
        except (Exception, SystemExit) as error:
            return self.after(attack, error)

    def after(self, attack: ConfiguredAttack, error: BaseException) -> Run:
        """The cells of an attack that raised: failed where the batch is one image, else half of it at a time."""
        if len(self.batch) == 1:
            failed = (ImageResult(self.batch.indices[0], error=described(error)),)
            return Run(self, attack, [StartedCell(epsilon, done(failed)) for epsilon, _ in attack.configuration.cells])
        halves = [AttackSweep(self.context, part, self.pictures) for part in self.batch.halves()]
        if is_out_of_memory(error):
            # Later attacks would run out as well.
            self._forget()
            self._halves = halves
        return self._by_halves(attack, halves)

    def _by_halves(self, attack: ConfiguredAttack, halves: Sequence[AttackSweep]) -> Run:
        empty = [CellResult(epsilon, ()) for epsilon, _ in attack.configuration.cells]
        parts = []
        for half in halves:
            # Its graph must not outlive the first gradient either, least of all where memory ran out.
            half.share([attack])
            parts.append(half.start(attack).cells())
        cells = merged(empty, parts)
        return Run(self, attack, [StartedCell(cell.epsilon, done(cell.images), cell.cost) for cell in cells])

    def _clean(self, attack: ConfiguredAttack) -> list[StartedCell]:
        meter = self._meter()
        cell = Cell(attack.configuration, 0.0)
        records = self._scorer.score(cell, self.batch.images, self.reference.outputs)
        return [StartedCell(0.0, records, meter.read())]

    def _attacked(self, attack: ConfiguredAttack) -> list[StartedCell]:
        meter = self._meter()
        configuration = attack.configuration
        attack_context, adversarial_loss = self._target(attack)
        keys = {epsilon: self._cell_key(attack, epsilon) for epsilon in configuration.epsilons}
        cells = {
            (epsilon, scored): StartedCell(epsilon, self._scored[keys[epsilon], scored])
            for epsilon, scored in configuration.cells
            if (keys[epsilon], scored) in self._scored
        }
        left = [float("inf") if epsilon is None else epsilon for epsilon in keys if (epsilon, FLOAT) not in cells]
        prepaid = self._prepaid.pop(attack.loss_key, Cost())
        attack_context.restart()
        for size, images in attack.perturbation().perturb(attack_context, left, configuration.norm):
            epsilon = None if size == float("inf") else size
            reached = attack_context.reached()
            for scored in configuration.scored:
                seen = SEEN[scored](images)
                outputs = self.context.target_model.outputs(seen)
                cell = Cell(configuration, epsilon, scored)
                records = self._scorer.score(cell, seen, outputs, adversarial_loss, reached)
                if keys[epsilon] is not None:
                    self._scored[keys[epsilon], scored] = records
                cells[epsilon, scored] = StartedCell(epsilon, records, meter.read() + prepaid)
                prepaid = Cost()
        return [cells[place] for place in configuration.cells]

    def _target(self, attack: ConfiguredAttack) -> Target:
        if attack.loss_key not in self._targets:
            adversarial_loss = attack.adversarial_loss(self.reference) if attack.configuration.objective else None
            attack_context = self.context.under_attack(self.batch, adversarial_loss, self._pass)
            self._targets[attack.loss_key] = attack_context, adversarial_loss
        return self._targets[attack.loss_key]

    def _cell_key(self, attack: ConfiguredAttack, epsilon: float | None) -> Hashable | None:
        key = attack.cell_key(epsilon)
        # Every cell's pictures are saved under its own name.
        if key is None or self.pictures.folder is not None:
            return None
        return key, Cell(attack.configuration, epsilon).is_drawn

    def _meter(self) -> Meter:
        return self.context.meter()

    def _forget(self) -> None:
        """Free memory."""
        self._pass = self._reference = None
        self._output_versions = []
        self._targets.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def reference(self) -> CleanReference:
        """The clean outputs and labels, from the one clean forward of the batch."""
        if self._reference is None:
            context = self.context
            # Also where this work item has no gradient to take: a forward with a graph may round differently.
            if any(attack.configuration.objective for attack in context.attacks):
                self._pass = context.target_model.forward_pass(self.batch.images)
                outputs = self._pass.outputs
            else:
                outputs = context.target_model.outputs(self.batch.images)
            self._output_versions = _versions(outputs)
            self._reference = context.reference(self.batch, outputs)
        return self._reference


def merged(empty: Sequence[CellResult], parts: Sequence[Sequence[CellResult]]) -> Iterator[CellResult]:
    """Cell by cell, the images of all batches in order and the costs summed."""
    for cells in zip(empty, *parts, strict=True):
        images = sorted((image for cell in cells for image in cell.images), key=lambda image: image.image)
        yield CellResult(cells[0].epsilon, tuple(images), sum((cell.cost for cell in cells), Cost()))


def version(tensor: Tensor) -> int:
    """How often a tensor was written to; 0 where torch does not count."""
    return 0 if tensor.is_inference() else tensor._version


def _versions(values: Mapping[str, object]) -> list[int]:
    return [version(value) for value in values.values() if isinstance(value, Tensor)]
