"""Every attack configuration on one batch; the clean forward, first gradients and equal cells are computed once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference
from robustbench_seg.attacks.target_model import ForwardPass
from robustbench_seg.evaluation.batch import Batch, reference
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.memory import is_out_of_memory
from robustbench_seg.evaluation.meter import Meter, Spent
from robustbench_seg.evaluation.plan import make_attack
from robustbench_seg.evaluation.scoring import Cell, Scorer
from robustbench_seg.registry import one_line
from robustbench_seg.results.keys import CLEAN, AttackConfiguration
from robustbench_seg.results.records import CellResult, ImageResult

Target = tuple[AttackContext, AdversarialLoss | None]


class AttackSweep:
    """One batch of one pair."""

    def __init__(self, context: WorkerContext, batch: Batch) -> None:
        self.context = context
        self.batch = batch
        self._scorer = Scorer(context, batch)
        self._pass: ForwardPass | None = None
        self._scene: CleanReference | None = None
        self._targets: dict[Hashable, Target] = {}
        self._clean_cells: list[CellResult] = []
        self._scored: dict[Hashable, tuple[ImageResult, ...]] = {}
        self._prepaid: dict[Hashable, Spent] = {}
        self._halves: list[AttackSweep] = []
        self._label_versions = _versions(batch.labels)
        self._output_versions: list[int] = []

    def share(self, configurations: Sequence[AttackConfiguration]) -> None:
        """Take the gradients at the clean images that configurations start from, while the clean forward's graph lives.

        What it costs is counted where it is used. What raises here raises again in the configuration it concerns.
        """
        meter = Meter(self.context.target_model)
        try:
            for configuration in configurations:
                taken, spent = self._take_clean(configuration), meter.read()
                if taken:
                    key = objective_key(configuration)
                    self._prepaid[key] = self._prepaid.get(key, Spent()) + spent
        except (Exception, SystemExit):
            return
        finally:
            if self._pass is not None:
                self._pass.release()

    @property
    def is_written(self) -> bool:
        """Whether labels or clean outputs were written into: all that follows would be measured from others."""
        outputs = [] if self._scene is None else _versions(self._scene.outputs)
        return (
            _versions(self.batch.labels) != self._label_versions
            or outputs != self._output_versions
            or any(half.is_written for half in self._halves)
        )

    def configuration(self, configuration: AttackConfiguration) -> list[CellResult]:
        """Every epsilon of a configuration; where the batch raises or memory runs out, half of it at a time."""
        if self._halves:
            return self._by_halves(configuration, self._halves)
        try:
            return (
                (self._clean_cells or self._clean(configuration))
                if configuration.attack == CLEAN
                else self._attacked(configuration)
            )
        except (Exception, SystemExit) as error:
            if len(self.batch) == 1:
                failed = (ImageResult(self.batch.indices[0], error=f"{type(error).__name__}: {one_line(error)}"),)
                return [CellResult(epsilon, failed) for epsilon in configuration.epsilons]
            short = is_out_of_memory(error)
        halves = [AttackSweep(self.context, part) for part in self.batch.halves()]
        if short:
            # Later attack configurations would run out as well.
            self._forget()
            self._halves = halves
        return self._by_halves(configuration, halves)

    def _by_halves(self, configuration: AttackConfiguration, halves: Sequence[AttackSweep]) -> list[CellResult]:
        empty = [CellResult(epsilon, ()) for epsilon in configuration.epsilons]
        parts = []
        for half in halves:
            # Its graph must not outlive the first gradient either, least of all where memory ran out.
            half.share([configuration])
            parts.append(half.configuration(configuration))
        return list(merged(empty, parts))

    def _take_clean(self, configuration: AttackConfiguration) -> bool:
        """Whether there was something to take."""
        if configuration.attack == CLEAN:
            # Before any adversarial loss is made, which might write into the outputs.
            self._clean_cells = self._clean(configuration)
            return False
        attack = make_attack(configuration)
        if not configuration.objective or not attack.uses_clean_gradient():
            return False
        attack_context, _ = self._target(attack, configuration)
        attack_context.gradient(attack_context.images)
        return True

    def _clean(self, configuration: AttackConfiguration) -> list[CellResult]:
        meter = Meter(self.context.target_model)
        results = self._scorer.score(Cell(configuration, 0.0), self.batch.images, self.reference.outputs, None)
        return [_result(0.0, results, meter.read())]

    def _attacked(self, configuration: AttackConfiguration) -> list[CellResult]:
        attack = make_attack(configuration)
        meter = Meter(self.context.target_model)
        attack_context, adversarial_loss = self._target(attack, configuration)
        done = {
            epsilon: results
            for epsilon in configuration.epsilons
            if (results := self._known(attack, configuration, epsilon))
        }
        cells = {epsilon: _result(epsilon, results, Spent()) for epsilon, results in done.items()}
        left = [_epsilon(epsilon) for epsilon in configuration.epsilons if epsilon not in done]
        prepaid = self._prepaid.pop(objective_key(configuration), Spent())
        for size, images in attack.perturb(attack_context, left, configuration.norm):
            epsilon = None if size == float("inf") else size
            outputs = self.context.target_model.outputs(images)
            results = self._scorer.score(Cell(configuration, epsilon), images, outputs, adversarial_loss)
            self._remember(attack, configuration, epsilon, results)
            cells[epsilon] = _result(epsilon, results, meter.read() + prepaid)
            prepaid = Spent()
        return [cells[epsilon] for epsilon in configuration.epsilons]

    def _target(self, attack: Perturbation, configuration: AttackConfiguration) -> Target:
        key = objective_key(configuration)
        if key not in self._targets:
            adversarial_loss = None
            if configuration.objective:
                (objective,) = attack.objectives([configuration.objective], self.context.tasks)
                adversarial_loss = attack.adversarial_loss(objective, self.reference)
            attack_context = AttackContext(
                self.batch.images,
                self.batch.ids,
                seed=self.context.settings.seed,
                target_model=self.context.target_model if adversarial_loss else None,
                adversarial_loss=adversarial_loss,
                clean=self._pass,
            )
            self._targets[key] = attack_context, adversarial_loss
        return self._targets[key]

    def _cell_key(
        self, attack: Perturbation, configuration: AttackConfiguration, epsilon: float | None
    ) -> Hashable | None:
        name = None if epsilon is None else attack.cache_key(epsilon, configuration.norm)
        # Every cell's pictures are saved under its own name.
        if name is None or self.context.settings.image_folder is not None:
            return None
        return objective_key(configuration), name, Cell(configuration, epsilon).is_drawn

    def _known(
        self, attack: Perturbation, configuration: AttackConfiguration, epsilon: float | None
    ) -> tuple[ImageResult, ...] | None:
        return self._scored.get(self._cell_key(attack, configuration, epsilon))

    def _remember(
        self,
        attack: Perturbation,
        configuration: AttackConfiguration,
        epsilon: float | None,
        results: tuple[ImageResult, ...],
    ) -> None:
        key = self._cell_key(attack, configuration, epsilon)
        if key is not None:
            self._scored[key] = results

    def _forget(self) -> None:
        """Free memory."""
        self._pass = self._scene = None
        self._output_versions = []
        self._targets.clear()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    @property
    def reference(self) -> CleanReference:
        """The clean outputs and labels, from the one clean forward of the batch."""
        if self._scene is None:
            context = self.context
            # Also where this work item has no gradient to take: a forward with a graph may round differently.
            if any(configuration.objective for configuration in context.pair.configurations):
                self._pass = context.target_model.forward_pass(self.batch.images)
                outputs = self._pass.outputs
            else:
                outputs = context.target_model.outputs(self.batch.images)
            self._output_versions = _versions(outputs)
            self._scene = reference(
                self.batch, outputs, context.tasks, context.classes, context.model.median_scaling, context.settings.seed
            )
        return self._scene


def objective_key(configuration: AttackConfiguration) -> Hashable:
    """What attack configurations with the same adversarial loss share: its objective."""
    if configuration.attack == CLEAN:
        return CLEAN
    attack = make_attack(configuration)
    # An attack with adversarial losses of its own may shape them by its parameters; all others share the objective's.
    kind = type(attack)
    shared = kind.adversarial_loss is Perturbation.adversarial_loss and kind.objectives is Perturbation.objectives
    return "" if shared else (configuration.attack, repr(attack)), configuration.objective


def merged(empty: Sequence[CellResult], parts: Sequence[Sequence[CellResult]]) -> Iterator[CellResult]:
    """Cell by cell, the images of all batches in order and the costs summed."""
    for cells in zip(empty, *parts, strict=True):
        images = sorted((image for cell in cells for image in cell.images), key=lambda image: image.image)
        yield CellResult(
            cells[0].epsilon,
            tuple(images),
            sum(cell.forwards for cell in cells),
            sum(cell.backwards for cell in cells),
            sum(cell.seconds for cell in cells),
            max(cell.peak_memory_mb for cell in cells),
        )


def version(tensor: Tensor) -> int:
    """How often a tensor was written to; 0 where torch does not count."""
    return 0 if tensor.is_inference() else tensor._version


def _versions(values: Mapping[str, object]) -> list[int]:
    return [version(value) for value in values.values() if isinstance(value, Tensor)]


def _epsilon(epsilon: float | None) -> float:
    return float("inf") if epsilon is None else epsilon


def _result(epsilon: float | None, results: tuple[ImageResult, ...], spent: Spent) -> CellResult:
    return CellResult(epsilon, results, spent.forwards, spent.backwards, spent.seconds, spent.peak_memory_mb)
