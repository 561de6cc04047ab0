"""The work on one unit: clean forward, every family of attacks over its grid, per-image results."""

from __future__ import annotations

import itertools
import resource
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budget import GREY
from robustbench_seg.attacks.objectives import Goal, Scene
from robustbench_seg.attacks.problem import Problem
from robustbench_seg.attacks.victim import Victim, finite, frozen
from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.errors import InputError
from robustbench_seg.harness import panels
from robustbench_seg.harness.batch import Batch, collate, measure, scene
from robustbench_seg.harness.plan import CLEAN, Family, Pair, Unit, load_tasks, make_attack
from robustbench_seg.harness.results import CellResult, FamilyResult, ImageResult, pack
from robustbench_seg.models.base import LoadedModel, restricted
from robustbench_seg.registry import one_line
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.depth import median_ratio


@dataclass(frozen=True)
class Settings:
    """What every unit of a run shares."""

    seed: int
    precision: str = "fp32"
    device: str = "cpu"
    compile: bool = False
    panel_images: tuple[int, ...] = ()
    image_folder: Path | None = None


@dataclass
class PairContext:
    """A loaded pair in one worker: the victim in the data set's classes and the tasks measured."""

    pair: Pair
    model: LoadedModel
    dataset: Dataset
    settings: Settings
    tasks: dict[str, Task] = field(init=False)
    victim: Victim = field(init=False)
    classes: ClassSet = field(init=False)

    def __post_init__(self) -> None:
        self.tasks = load_tasks(self.pair.tasks)
        module = restricted(self.model.module, self.pair.tasks).to(self.settings.device)
        if self.settings.compile:
            module.compile()
        keys = [task.key for task in self.tasks.values()]
        self.victim = Victim(module, keys, self.pair.alignment, self.settings.precision)
        self.classes = self.pair.alignment.classes if self.pair.alignment else self.dataset.classes

    def families(self, unit: Unit) -> list[FamilyResult]:
        """Every family still to do for this unit. The model's state is as before when it returns or raises."""
        samples, broken = self._samples(unit.images)
        batches = collate(samples, self.tasks, self.pair.alignment, self.settings.device)
        with frozen(self.model.module):
            works = [_BatchWork(self, batch) for batch in batches]
            return [self._family(unit, index, works, broken) for index in unit.families]

    def _samples(self, images: Sequence[int]) -> tuple[list[tuple[int, Sample]], list[ImageResult]]:
        samples, broken = [], []
        for index in images:
            try:
                samples.append((index, self.dataset[index]))
            except (Exception, SystemExit) as error:  # an image that cannot be read fails, the others go on
                broken.append(ImageResult(index, error=one_line(error)))
        return samples, broken

    def _family(
        self, unit: Unit, index: int, works: Sequence[_BatchWork], broken: Sequence[ImageResult]
    ) -> FamilyResult:
        family = self.pair.families[index]
        before = _versions(self.victim.module)
        parts = [work.family(family) for work in works]
        if _versions(self.victim.module) != before:
            name = f"{self.model.name} under {family.attack} {family.objective}".rstrip()
            raise InputError(f"{name}: weights or buffers of the model changed in evaluation; mend the model or attack")
        empty = [CellResult(epsilon, tuple(broken)) for epsilon in family.epsilons]
        return FamilyResult(unit.pair, index, unit.chunk, tuple(_merge(empty, parts)))


def _versions(module: nn.Module) -> list[int]:
    """How often each floating-point weight and buffer was written to: all that follows would be of another model."""
    state = itertools.chain(module.parameters(), module.buffers())
    return [value._version for value in state if value.is_floating_point() and not value.is_inference()]


def _merge(empty: Sequence[CellResult], parts: Sequence[Sequence[CellResult]]) -> Iterator[CellResult]:
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


class _BatchWork:
    """One batch of one pair. The clean outputs and each objective's problem are made once and shared."""

    def __init__(self, context: PairContext, batch: Batch) -> None:
        self.context = context
        self.batch = batch
        self._scene: Scene | None = None
        self._problems: dict[tuple[str, str], tuple[Problem, Goal | None]] = {}

    def family(self, family: Family) -> list[CellResult]:
        """Every radius of a family; where the batch raises, its images are tried one by one."""
        try:
            return self._clean() if family.attack == CLEAN else self._attacked(family)
        except (Exception, SystemExit) as error:
            if len(self.batch) == 1:
                failed = (ImageResult(self.batch.indices[0], error=f"{type(error).__name__}: {one_line(error)}"),)
                return [CellResult(epsilon, failed) for epsilon in family.epsilons]
        singles = [_BatchWork(self.context, self.batch.single(i)) for i in range(len(self.batch))]
        empty = [CellResult(epsilon, ()) for epsilon in family.epsilons]
        return list(_merge(empty, [single.family(family) for single in singles]))

    def _clean(self) -> list[CellResult]:
        meter = _Meter(self.context.victim)
        outputs = self.scene.outputs
        return [self._cell(CLEAN, 0.0, self.batch.images, outputs, None, meter)]

    def _attacked(self, family: Family) -> list[CellResult]:
        attack = make_attack(family)
        unbounded = family.epsilons == (None,)
        epsilons = [float("inf")] if unbounded else [e for e in family.epsilons if e is not None]
        meter = _Meter(self.context.victim)
        problem, goal = self._problem(attack, family)
        cells = {}
        for epsilon, images in attack.perturb(problem, epsilons, family.norm):
            outputs = self.context.victim.outputs(images)
            name = panels.perturbed_name(family.attack, family.objective, family.norm, None if unbounded else epsilon)
            shown = None if unbounded else epsilon
            cells[epsilon] = self._cell(name, shown, images, outputs, goal, meter, _panel_epsilon(family))
        return [cells[epsilon] for epsilon in epsilons]

    def _problem(self, attack: Perturbation, family: Family) -> tuple[Problem, Goal | None]:
        # An attack with goals of its own may shape them by its parameters; all others share the objective's.
        own = repr(attack) if type(attack).goal is not Perturbation.goal else ""
        key = (own, family.objective)
        if key not in self._problems:
            goal = None
            if family.objective:
                (objective,) = attack.objectives([family.objective], self.context.tasks)
                goal = attack.goal(objective, self.scene)
            self._problems[key] = (
                Problem(
                    self.batch.images,
                    self.batch.ids,
                    seed=self.context.settings.seed,
                    victim=self.context.victim if goal else None,
                    goal=goal,
                ),
                goal,
            )
        return self._problems[key]

    @property
    def scene(self) -> Scene:
        """The clean outputs and labels; the one clean forward of the batch."""
        if self._scene is None:
            context = self.context
            outputs = context.victim.outputs(self.batch.images)
            self._scene = scene(
                self.batch, outputs, context.tasks, context.classes, context.model.median_scaling, context.settings.seed
            )
        return self._scene

    def _cell(
        self,
        name: str,
        epsilon: float | None,
        images: Tensor,
        outputs: Outputs,
        goal: Goal | None,
        meter: _Meter,
        panel_epsilon: float | None = None,
    ) -> CellResult:
        context, batch = self.context, self.batch
        tables = measure(batch, outputs, context.tasks, len(context.classes), self._scales(outputs))
        outcome = {} if goal is None or goal.outcome is None else goal.outcome(outputs)
        counts = {key: value.tolist() for key, value in outcome.items()}
        known = torch.stack([finite(output) for output in outputs.values()]).all(0).tolist()
        results = []
        for i, index in enumerate(batch.indices):
            result = _realised(index, batch.images[i], images[i])
            if not known[i]:
                results.append(replace(result, error="the model's output is not finite"))
                continue
            drawn = index in context.settings.panel_images and epsilon == (0.0 if name == CLEAN else panel_epsilon)
            results.append(
                replace(
                    result,
                    skipped=goal is not None and goal.skips and not bool(goal.active[i]),
                    outcome={key: int(value[i]) for key, value in counts.items()},
                    statistics={task: pack(values) for task, values in tables[i].items()},
                    pngs=self._draw(i, images[i], outputs, name == CLEAN) if drawn else {},
                )
            )
            if context.settings.image_folder is not None and name != CLEAN:
                parts = (context.model.name.replace("/", "_"), context.dataset.name.replace("/", "_"), name)
                self._save(context.settings.image_folder.joinpath(*parts), i, images[i])
        return CellResult(epsilon, tuple(results), *meter.read())

    def _scales(self, outputs: Outputs) -> Mapping[str, Tensor]:
        if not self.context.model.median_scaling or "depth" not in self.context.tasks:
            return {}
        return {"depth": median_ratio(outputs["depth"], self.batch.labels["depth"]).view(-1, 1, 1)}

    def _draw(self, i: int, image: Tensor, outputs: Outputs, clean: bool) -> dict[str, bytes]:
        classes = self.context.classes
        drawers = {key: panels.DRAWERS[key] for key in self.context.victim.keys if key in panels.DRAWERS}
        drawn = {f"prediction:{key}": drawer.output(outputs[key], i, image, classes) for key, drawer in drawers.items()}
        if clean:
            labels = self.batch.labels
            given = {f"label:{key}": drawer.label(labels[key], i, image, classes) for key, drawer in drawers.items()}
            return {**drawn, **given, "image": panels.picture(image)}
        perturbation = panels.amplified(image - self.batch.images[i])
        return {**drawn, "perturbed": panels.picture(image), "perturbation": perturbation}

    def _save(self, folder: Path, i: int, image: Tensor) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.batch.ids[i].replace('/', '_')}.png").write_bytes(panels.picture(image))


def _panel_epsilon(family: Family) -> float | None:
    """The radius whose pictures are kept: the largest one up to 4 grey values, where effects are plain to see."""
    known = [epsilon for epsilon in family.epsilons if epsilon is not None and epsilon > 0]
    return max((e for e in known if e <= 4), default=min(known, default=None))


def _realised(index: int, clean: Tensor, image: Tensor) -> ImageResult:
    """RMS, largest change and SNR of one perturbed image, in float64."""
    delta = (image.double() - clean.double()) * GREY
    energy = float(delta.square().mean())
    signal = float((clean.double() * GREY).square().mean())
    snr = None if energy == 0 or signal == 0 else float(10 * torch.log10(torch.tensor(signal / energy).double()))
    return ImageResult(index, "", energy**0.5, float(delta.abs().max()), snr, unchanged=energy == 0)


class _Meter:
    """Counts what went through the victim, and the time, since the last reading."""

    def __init__(self, victim: Victim) -> None:
        self._victim = victim
        self._mark = self._now()

    def read(self) -> tuple[int, int, float, float]:
        """Forwards, backwards, seconds since the last reading, and the peak memory so far in MB."""
        now, before = self._now(), self._mark
        self._mark = now
        return now[0] - before[0], now[1] - before[1], now[2] - before[2], peak_memory_mb()

    def _now(self) -> tuple[int, int, float]:
        return self._victim.cost.forwards, self._victim.cost.backwards, time.perf_counter()


def peak_memory_mb() -> float:
    """The highest resident memory of this process (or allocated GPU memory) in MB."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
