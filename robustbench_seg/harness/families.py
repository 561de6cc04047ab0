"""Every family of attacks on one batch; the clean forward, first gradients and equal cells are worked out once."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.objectives import Goal, Scene
from robustbench_seg.attacks.problem import Problem
from robustbench_seg.attacks.victim import ForwardPass
from robustbench_seg.harness.batch import Batch, scene
from robustbench_seg.harness.context import PairContext
from robustbench_seg.harness.memory import is_out_of_memory
from robustbench_seg.harness.meter import Meter, Spent
from robustbench_seg.harness.plan import CLEAN, Family, make_attack
from robustbench_seg.harness.results import CellResult, ImageResult
from robustbench_seg.harness.scoring import Cell, Scorer
from robustbench_seg.registry import one_line

Target = tuple[Problem, Goal | None]


class BatchWork:
    """One batch of one pair."""

    def __init__(self, context: PairContext, batch: Batch) -> None:
        self.context = context
        self.batch = batch
        self._scorer = Scorer(context, batch)
        self._pass: ForwardPass | None = None
        self._scene: Scene | None = None
        self._targets: dict[Hashable, Target] = {}
        self._clean_cells: list[CellResult] = []
        self._scored: dict[Hashable, tuple[ImageResult, ...]] = {}
        self._prepaid: dict[Hashable, Spent] = {}
        self._halves: list[BatchWork] = []
        self._label_versions = _versions(batch.labels)
        self._output_versions: list[int] = []

    def share(self, families: Sequence[Family]) -> None:
        """Take the gradients at the clean images that these families start from, while the clean forward's graph lives.

        What it costs is counted where it is used. What raises here raises again in the family it concerns.
        """
        meter = Meter(self.context.victim)
        try:
            for family in families:
                taken, spent = self._take_clean(family), meter.read()
                if taken:
                    key = family_key(family)
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

    def family(self, family: Family) -> list[CellResult]:
        """Every radius of a family; where the batch raises or memory runs out, half of it at a time."""
        if self._halves:
            return self._by_halves(family, self._halves)
        try:
            return (self._clean_cells or self._clean(family)) if family.attack == CLEAN else self._attacked(family)
        except (Exception, SystemExit) as error:
            if len(self.batch) == 1:
                failed = (ImageResult(self.batch.indices[0], error=f"{type(error).__name__}: {one_line(error)}"),)
                return [CellResult(epsilon, failed) for epsilon in family.epsilons]
            short = is_out_of_memory(error)
        halves = [BatchWork(self.context, part) for part in self.batch.halves()]
        if short:
            # Later families would run out as well.
            self._forget()
            self._halves = halves
        return self._by_halves(family, halves)

    def _by_halves(self, family: Family, halves: Sequence[BatchWork]) -> list[CellResult]:
        empty = [CellResult(epsilon, ()) for epsilon in family.epsilons]
        parts = []
        for half in halves:
            # Its graph must not outlive the first gradient either, least of all where memory ran out.
            half.share([family])
            parts.append(half.family(family))
        return list(merged(empty, parts))

    def _take_clean(self, family: Family) -> bool:
        """Whether there was something to take."""
        if family.attack == CLEAN:
            # Before any goal is made, which might write into the outputs.
            self._clean_cells = self._clean(family)
            return False
        attack = make_attack(family)
        if not family.objective or not attack.starts_clean():
            return False
        problem, _ = self._target(attack, family)
        problem.gradient(problem.images)
        return True

    def _clean(self, family: Family) -> list[CellResult]:
        meter = Meter(self.context.victim)
        results = self._scorer.score(Cell(family, 0.0), self.batch.images, self.scene.outputs, None)
        return [_result(0.0, results, meter.read())]

    def _attacked(self, family: Family) -> list[CellResult]:
        attack = make_attack(family)
        meter = Meter(self.context.victim)
        problem, goal = self._target(attack, family)
        done = {epsilon: results for epsilon in family.epsilons if (results := self._known(attack, family, epsilon))}
        cells = {epsilon: _result(epsilon, results, Spent()) for epsilon, results in done.items()}
        left = [_radius(epsilon) for epsilon in family.epsilons if epsilon not in done]
        prepaid = self._prepaid.pop(family_key(family), Spent())
        for radius, images in attack.perturb(problem, left, family.norm):
            epsilon = None if radius == float("inf") else radius
            outputs = self.context.victim.outputs(images)
            results = self._scorer.score(Cell(family, epsilon), images, outputs, goal)
            self._remember(attack, family, epsilon, results)
            cells[epsilon] = _result(epsilon, results, meter.read() + prepaid)
            prepaid = Spent()
        return [cells[epsilon] for epsilon in family.epsilons]

    def _target(self, attack: Perturbation, family: Family) -> Target:
        key = family_key(family)
        if key not in self._targets:
            goal = None
            if family.objective:
                (objective,) = attack.objectives([family.objective], self.context.tasks)
                goal = attack.goal(objective, self.scene)
            problem = Problem(
                self.batch.images,
                self.batch.ids,
                seed=self.context.settings.seed,
                victim=self.context.victim if goal else None,
                goal=goal,
                clean=self._pass,
            )
            self._targets[key] = problem, goal
        return self._targets[key]

    def _cell_key(self, attack: Perturbation, family: Family, epsilon: float | None) -> Hashable | None:
        name = None if epsilon is None else attack.same_as(epsilon, family.norm)
        # Every cell's pictures are saved under its own name.
        if name is None or self.context.settings.image_folder is not None:
            return None
        return family_key(family), name, Cell(family, epsilon).is_drawn

    def _known(self, attack: Perturbation, family: Family, epsilon: float | None) -> tuple[ImageResult, ...] | None:
        return self._scored.get(self._cell_key(attack, family, epsilon))

    def _remember(
        self, attack: Perturbation, family: Family, epsilon: float | None, results: tuple[ImageResult, ...]
    ) -> None:
        key = self._cell_key(attack, family, epsilon)
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
    def scene(self) -> Scene:
        """The clean outputs and labels, from the one clean forward of the batch."""
        if self._scene is None:
            context = self.context
            # Also where this unit has no gradient to take: a forward with a graph may round differently.
            if any(family.objective for family in context.pair.families):
                self._pass = context.victim.forward_pass(self.batch.images)
                outputs = self._pass.outputs
            else:
                outputs = context.victim.outputs(self.batch.images)
            self._output_versions = _versions(outputs)
            self._scene = scene(
                self.batch, outputs, context.tasks, context.classes, context.model.median_scaling, context.settings.seed
            )
        return self._scene


def family_key(family: Family) -> Hashable:
    """What families with the same goal share: its objective."""
    if family.attack == CLEAN:
        return CLEAN
    attack = make_attack(family)
    # An attack with goals of its own may shape them by its parameters; all others share the objective's.
    kind = type(attack)
    shared = kind.goal is Perturbation.goal and kind.objectives is Perturbation.objectives
    return "" if shared else (family.attack, repr(attack)), family.objective


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


def _radius(epsilon: float | None) -> float:
    return float("inf") if epsilon is None else epsilon


def _result(epsilon: float | None, results: tuple[ImageResult, ...], spent: Spent) -> CellResult:
    return CellResult(epsilon, results, spent.forwards, spent.backwards, spent.seconds, spent.peak_memory_mb)
