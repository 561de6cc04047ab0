"""Checks of what a model gives: in which mode, twice, in other company, as logits, within its range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

import numpy as np

from robustbench_seg.checks.base import Evidence, Problem, Record, counted
from robustbench_seg.checks.model import ModelCheck
from robustbench_seg.checks.probe import Look, Probe, Scope
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.results.findings import Doubt
from robustbench_seg.results.names import task_name
from robustbench_seg.results.rows import aim
from robustbench_seg.tasks.base import Outputs, Task

SAME = 1e-3
"""Outputs that differ by less than this share of their spread are the same, up to rounding."""


class EvaluationMode(ModelCheck):
    """Every part of the model is in evaluation mode while it is evaluated."""

    name = "training_mode"
    wrong = "Parts of a model stay in training mode"
    sound = "Models are in evaluation mode"
    advice = "let eval() reach every part: dropout and BatchNorm in training mode change what is measured"

    def record(self, probe: Probe) -> Record:
        """The names of the parts that are not."""
        target_model = probe.context.target_model
        with target_model.frozen():
            return {
                "parts": [name or "the model" for name, part in target_model.module.named_modules() if part.training]
            }

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """Any part."""
        if record["parts"]:
            parts = ", ".join(record["parts"][:3])
            yield Problem(f"{evidence.name}: {parts} ({counted(len(record['parts']), 'part')})", evidence.doubts())


class OutputIsDetermined(ModelCheck):
    """Two forwards of one input give the same output although the random state has moved on between them."""

    name = "random_output"
    wrong = "A model's output is random"
    sound = "Outputs are not random"
    advice = "attack its expectation (--eot 16): each gradient is then the mean over so many draws"

    def record(self, probe: Probe) -> Record:
        """The largest change, as a share of the spread of the outputs, and how many draws a gradient is the mean of."""
        model = probe.context.target_model
        first, second = model.repeated(probe.looks[0].batch.images)
        return {"change": changed(first, second, model.tasks), "draws": probe.context.execution.eot}

    def work(self, scope: Scope) -> tuple[int, int]:
        """Two forwards of the first batch."""
        return 0, 2 * scope.batch

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """Any change, but where gradients are means over draws."""
        if record["change"] > SAME:
            draws = record["draws"]
            text = f"{evidence.name}: from one forward to the next by {record['change']:.2g} of the outputs' spread"
            if draws == 1:
                yield Problem(text, evidence.doubts())
            else:
                note = f"{text}; gradients are means over {draws} draws, reproducible for the same batches only"
                yield Problem(note, level="warn")


class ImagesAreIndependent(ModelCheck):
    """The output of an image does not depend on the rest of its batch."""

    name = "batch_dependent"
    wrong = "Outputs depend on the rest of the batch"
    sound = "Outputs do not depend on the rest of the batch"
    advice = "normalise with running statistics; as it is, every number holds for this --batch-size alone"
    most: ClassVar[int] = 4

    def record(self, probe: Probe) -> Record:
        """The largest change of an image's outputs, as a share of their spread, in other company."""
        images = probe.looks[0].batch.images[: self.most]
        # Mirrored too, so that a single image has company: some models do not run on one.
        others = torch.cat([images[1:], images.flip(-1)])
        model = probe.context.target_model
        first, second = (model.undrawn(torch.cat([images[:1], company])) for company in (others, others.flip(-2)))
        return {"change": changed(first, second, model.tasks, images=1)}

    def work(self, scope: Scope) -> tuple[int, int]:
        """Two forwards of a few images and their mirrored ones."""
        return 0, 4 * min(self.most, scope.batch)

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """Any change."""
        if record["change"] > SAME:
            text = (
                f"{evidence.name}: an image's outputs change by {record['change']:.2g} of their spread with the others"
            )
            yield Problem(text, evidence.doubts())


class OutputsAreLogits(ModelCheck):
    """Class outputs are logits: of probabilities the loss takes another softmax, and its gradient vanishes."""

    name = "probabilities"
    wrong = "A model gives probabilities instead of logits"
    sound = "Class outputs are logits"
    advice = "leave the softmax or sigmoid out, or give its logarithm: the losses make probabilities of logits"

    def record(self, probe: Probe) -> Record:
        """The tasks whose output is one."""
        looks = probe.looks
        tasks = probe.context.tasks.items()
        return {
            "tasks": [
                name for name, task in tasks if all(task.is_probability(look.outputs[task.key]) for look in looks)
            ]
        }

    def work(self, scope: Scope) -> tuple[int, int]:
        """The clean outputs."""
        return 0, scope.images

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """Each of them: what attacks it."""
        for task in record["tasks"]:
            yield Problem(f"{evidence.name}, {task_name(task)}", _numbers_of(evidence, task))


class PredictionsMove(ModelCheck):
    """Predictions are not all at the end of their range, where they can neither get worse nor have a gradient."""

    name = "clamped"
    wrong = "Predictions lie at the end of their range"
    sound = "Predictions are within their range"
    advice = "look at the range of the output: what is clamped has no gradient and hides what an attack does"
    most: ClassVar[float] = 0.5
    many: ClassVar[float] = 0.1

    def record(self, probe: Probe) -> Record:
        """The share of the valid elements there, by task."""

        def saturation(task: Task, look: Look) -> float:
            return task.saturation(look.measured(task), look.batch.labels[task.key])

        return {"shares": _shares(probe, saturation)}

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """More than half of them; a warning where they are more than a tenth."""
        for task, share in record["shares"].items():
            text = f"{evidence.name}, {task_name(task)}: {share:.0%} of all predictions"
            if share > self.most:
                yield Problem(text, evidence.doubts_in(task))
            elif share > self.many:
                yield Problem(text, level="warn")


class OrderIsKept(ModelCheck):
    """Near stays near where depth of unknown scale and shift is aligned with its label: the scale is not negative."""

    name = "reversed"
    wrong = "Relative depth fits its label with a negative scale"
    sound = "Relative depth fits its label the right way round"
    advice = "what is given for inverse depth grows with depth: give --output depth=KEY:inverse for what it is, or not"

    def record(self, probe: Probe) -> Record:
        """The share of the images in which it is, by task."""
        how = probe.context.model.depth_align

        def turned(task: Task, look: Look) -> float:
            return task.reversed(look.outputs[task.key], look.batch.labels[task.key], how)

        return {"shares": _shares(probe, turned)}

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """A warning where it is in any."""
        for task, share in record["shares"].items():
            if share > 0:
                yield Problem(f"{evidence.name}, {task_name(task)}: in {share:.0%} of the images", level="warn")


def changed(first: Outputs, second: Outputs, tasks: Mapping[str, Task], images: int | None = None) -> float:
    """The largest difference of two outputs of the first so many images (None: all), as a share of their spread.

    `tasks` are those of the outputs, by their key.
    """
    parts = [zip(task.parts(first[key]), task.parts(second[key]), strict=True) for key, task in tasks.items()]
    return max((_share(a[:images], b[:images]) for pairs in parts for a, b in pairs), default=0.0)


def _shares(probe: Probe, share: Callable[[Task, Look], float]) -> dict[str, float]:
    """The mean of a share over the batches that are looked at, by task."""
    tasks = probe.context.tasks.items()
    return {name: float(np.mean([share(task, look) for look in probe.looks])) for name, task in tasks}


def _share(a: Tensor, b: Tensor) -> float:
    difference = float((a - b).abs().max()) if a.numel() else 0.0
    return difference and difference / max(float(a.float().std(correction=0)), 1e-12)


def _numbers_of(evidence: Evidence, task: str) -> frozenset[Doubt]:
    """All numbers of the cells in which a task was attacked in any way."""
    return evidence.doubts_under(lambda each: aim(each.objective) == task)
