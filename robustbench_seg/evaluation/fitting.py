"""The fit stage: attacks are fitted on training images before the work, and what comes out is kept by its digest."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from safetensors.torch import save

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import CleanReference
from robustbench_seg.data.base import Sample
from robustbench_seg.errors import InputError, RobustsegError
from robustbench_seg.evaluation.attack import Arrays, ConfiguredAttack
from robustbench_seg.evaluation.batch import Batch, collate
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Artefacts, Fit
from robustbench_seg.evaluation.memory import enough_memory
from robustbench_seg.evaluation.plan import Pair, Plan, WorkItem
from robustbench_seg.evaluation.scoring import Cell
from robustbench_seg.evaluation.training_images import TrainingImages
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.registry import described
from robustbench_seg.results.files import write_bytes
from robustbench_seg.results.store import Store

FITTED = "fitted"
"""The folder of the artefacts in a run, and the store's key of their digests."""


def fitted_attacks(pair: Pair) -> dict[int, ConfiguredAttack]:
    """The configurations of a pair that are fitted, by their place."""
    tasks = pair.load_tasks()
    attacks = {index: ConfiguredAttack(pair.configurations[index], tasks) for index in pair.to_run}
    return {index: attack for index, attack in attacks.items() if attack.is_fitted}


def images_to_fit_on(pairs: Sequence[Pair]) -> dict[int, int]:
    """How many training images are needed of each data set, by its place; none of those where nothing is fitted."""
    counts: dict[int, int] = {}
    for pair in pairs:
        for attack in fitted_attacks(pair).values():
            counts[pair.dataset] = max(counts.get(pair.dataset, 0), attack.fit_images)
    return counts


def fit_work(pair: Pair, n_images: int) -> dict[int, tuple[int, int]]:
    """Gradients and forwards, theirs included, of each configuration's fits; `n_images` are in the train split."""
    work = {}
    for index, attack in fitted_attacks(pair).items():
        used = min(attack.fit_images, n_images)
        gradients = used * attack.num_fit_gradients
        # One clean forward of each, and one more of the first for an objective.
        work[index] = gradients, gradients + used + attack.has_fitted_objective
    return work


@dataclass(frozen=True, eq=False)
class FitStage:
    """Fits what a plan needs, on the `training` images of each data set, into the run in `folder`.

    One file per configuration and epsilon, so that a killed run continues where it was.
    """

    plan: Plan
    workplace: Workplace
    training: Mapping[int, TrainingImages]
    folder: Path
    store: Store

    def run(self, work_items: Sequence[WorkItem], report: Callable[[str], None]) -> Artefacts:
        """The artefacts that the work items need, read or made; `report` is told what is being fitted.

        InputError where one is not what it was when the results in the store were made.
        """
        needed = {(item.pair, configuration) for item in work_items for configuration in item.configurations}
        artefacts = {}
        for fit, fitter in self._fits():
            data = self._read(fit)
            if data is None and (fit.pair, fit.configuration) in needed:
                report(f"fitting {fitter.title(fit.epsilon)}")
                data = self._kept(fit, fitter.fit(fit.epsilon))
            if data is not None:
                artefacts[fit] = data
        return artefacts

    def _fits(self) -> Iterator[tuple[Fit, _Fitter]]:
        for p, pair in enumerate(self.plan.pairs):
            for index, attack in fitted_attacks(pair).items():
                fitter = _Fitter(self.workplace, pair, attack, self.training[pair.dataset], self.plan.batch_size)
                for epsilon in attack.fit_sizes:
                    yield Fit(p, index, epsilon), fitter

    def _read(self, fit: Fit) -> bytes | None:
        """What the run has of it; None where there is nothing, or nothing whose digest was stored."""
        path = self._path(fit)
        digest = self._digests().get(path.name)
        if digest is None or not path.exists():
            return None
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"'{path}' cannot be read: {error.strerror}") from error
        if _sha256(data) != digest:
            raise InputError(
                f"'{path}' is changed or damaged (sha256 {_sha256(data)[:12]}…, the run has {digest[:12]}…); "
                "put it back, or delete it to fit it again"
            )
        return data

    def _kept(self, fit: Fit, data: bytes) -> bytes:
        """The data, written; InputError where results in the store were made with others."""
        path, digests = self._path(fit), self._digests()
        digest = digests.setdefault(path.name, _sha256(data))
        if _sha256(data) != digest:
            raise InputError(
                f"'{path}' was fitted again and is not what it was (sha256 {_sha256(data)[:12]}…, the run has "
                f"{digest[:12]}…: another machine?); put the file back or give another folder with -o"
            )
        path.parent.mkdir(exist_ok=True)
        write_bytes(data, path)
        self.store.write_meta(FITTED, digests)
        return data

    def _digests(self) -> dict[str, str]:
        stored = self.store.read_meta(FITTED)
        return dict(stored) if isinstance(stored, dict) else {}

    def _path(self, fit: Fit) -> Path:
        configuration = self.plan.pairs[fit.pair].configurations[fit.configuration]
        name = f"{fit.pair}-{fit.configuration}_{Cell(configuration, fit.epsilon).folder}.safetensors"
        return self.folder / FITTED / re.sub(r"[^A-Za-z0-9.+=_-]+", "-", name)


class _Fitter:
    """Fits one configuration of a pair, epsilon by epsilon; nothing is made before it is needed."""

    def __init__(
        self, workplace: Workplace, pair: Pair, attack: ConfiguredAttack, images: TrainingImages, batch_size: int
    ) -> None:
        self._workplace, self._pair, self._attack = workplace, pair, attack
        self._images, self._batch_size = images, batch_size

    def title(self, epsilon: float) -> str:
        """What is fitted, in words."""
        configuration = self._attack.configuration
        what = f"{configuration.label} {configuration.objective}".rstrip()
        where = f"{self._context.model.name}, {len(self._samples)} training images of {self._context.dataset.name}"
        return f"{what} ({configuration.norm}, epsilon {epsilon:g}) on {where}"

    def fit(self, epsilon: float) -> bytes:
        """The artefact of an epsilon; InputError where the fit fails."""
        try:
            with enough_memory("an attack was fitted"):
                return save({name: value.cpu().contiguous() for name, value in self._fit(epsilon).items()})
        except RobustsegError:
            raise
        except Exception as error:
            raise InputError(f"{self.title(epsilon)} cannot be fitted: {described(error)[:300]}") from error

    def _fit(self, epsilon: float) -> Arrays:
        with self._context.target_model.frozen():
            return {**self._objective_arrays, **self._attack.fit(self._attack_contexts, epsilon)}

    @cached_property
    def _context(self) -> WorkerContext:
        return self._workplace.context(self._pair)

    @cached_property
    def _samples(self) -> Sequence[tuple[int, Sample]]:
        return self._images.samples[: self._attack.fit_images]

    @cached_property
    def _objective_arrays(self) -> Arrays:
        return self._attack.fit_objective(self._reference(self._batch(self._samples[:1])))

    @cached_property
    def _attack_contexts(self) -> list[AttackContext]:
        """The training images in their order, a batch at a time, each with its adversarial loss."""
        starts = range(0, len(self._samples), self._batch_size)
        batches = [self._batch(self._samples[start : start + self._batch_size]) for start in starts]
        losses = [self._attack.adversarial_loss(self._reference(batch)) for batch in batches]
        return [self._context.under_attack(batch, loss) for batch, loss in zip(batches, losses, strict=True)]

    def _batch(self, samples: Sequence[tuple[int, Sample]]) -> Batch:
        context = self._context
        (batch,) = collate(self._images.dataset, samples, context.tasks, self._pair.alignment, context.execution.device)
        return batch

    def _reference(self, batch: Batch) -> CleanReference:
        return self._context.reference(batch, self._context.target_model.outputs(batch.images))


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
