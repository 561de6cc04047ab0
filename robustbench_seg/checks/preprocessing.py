"""The check of how a model is called: whether another preprocessing, or order of classes, does clearly better."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from robustbench_seg.checks.base import Evidence, Problem, Record
from robustbench_seg.checks.model import ModelCheck
from robustbench_seg.checks.probe import Probe, Scope
from robustbench_seg.results.intervals import LEVEL
from robustbench_seg.results.names import curve_metric, metric_name, metric_text
from robustbench_seg.results.sample import mean_of
from robustbench_seg.tasks.base import Outputs, Statistics, Task, rescaled

if TYPE_CHECKING:
    from robustbench_seg.checks.alternatives import Alternative
    from robustbench_seg.evaluation.batch import Batch
    from robustbench_seg.evaluation.context import WorkerContext

_SMALLEST = 1e-3
"""Metrics are compared as if none were smaller: the ratio of two that are about 0 says nothing."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Of each of some images: statistics and loss by task (NaN without a label), and its mean confidence.

    That is the probability of the predicted class; there is none where no task has classes.
    """

    statistics: Mapping[str, Sequence[Statistics]]
    losses: Mapping[str, Sequence[float]]
    confidences: Sequence[float]

    def part(self, images: slice) -> Measured:
        """Of some of them."""
        statistics = {name: each[images] for name, each in self.statistics.items()}
        losses = {name: each[images] for name, each in self.losses.items()}
        return Measured(statistics, losses, self.confidences[images])


class PreprocessingFits(ModelCheck):
    """No other normalisation, scale, channel order or shift of the classes gives a clearly better clean metric.

    All are tried on a few images, and the best of them on all that are looked at. It is clearly better where the metric
    (the geometric mean of those of several tasks with a value at every pixel) is a few per cent better and predictions
    are surer, or the metric is better by far; losses are lower beyond chance, and the metric can be believed.
    """

    name = "preprocessing"
    wrong = "Another preprocessing does clearly better"
    sound = "No other preprocessing does clearly better"
    advice = (
        "call the model as it was trained: --normalize, --input-scale, --channel-order; where classes are shifted its "
        "first channel may be the background, or labels count from 1: --classes in the order of its channels"
    )
    screened: ClassVar[int] = 4
    surer: ClassVar[float] = 1.03
    unsure: ClassVar[float] = 1.1
    by_far: ClassVar[float] = 1.25
    not_believed: ClassVar[float] = 1.5

    def record(self, probe: Probe) -> Record:
        """The best alternative: metrics and confidence as it is and with that, and gains (the log of their ratio)."""
        from robustbench_seg.checks.alternatives import alternatives

        context, tasks = probe.context, probe.scope.dense
        if not tasks:
            return {"gains": []}
        given = [_measured(context, tasks, look.batch, look.outputs) for look in probe.looks]
        first, stride = probe.looks[0].batch, _stride(probe.scope, self.screened)
        few, before = first.part(stride), given[0].part(stride)

        def gain(other: Alternative) -> float:
            try:
                return _gain(tasks, before, _tried(context, tasks, few, other))
            except Exception:  # a model may refuse values that it does not expect
                return -math.inf

        with context.execution.uncompiled():
            best = max(alternatives(context.model.module, tasks), key=gain)
            other = _joined([_tried(context, tasks, look.batch, best) for look in probe.looks])
        known = _joined(given)
        return {
            "alternative": best.text,
            "metrics": {task.name: [_value(task, seen) for seen in (known, other)] for task in tasks},
            "confidence": [float(np.mean(seen.confidences)) for seen in (known, other) if seen.confidences],
            "plausible": all(_is_plausible(task, other) for task in tasks),
            "gain": _gain(tasks, known, other),
            "gains": _loss_gains(tasks, known, other),
        }

    def work(self, scope: Scope) -> tuple[int, int]:
        """Every alternative on a few images of the first batch, the best one on all."""
        from robustbench_seg.checks.alternatives import count

        few = len(range(scope.batch)[_stride(scope, self.screened)])
        return 0, count(scope.dense) * few + scope.images if scope.dense else 0

    def is_enough(self, record: Record) -> bool:
        """Whether there is a task with a value at every pixel, and images enough to judge chance, or gain enough."""
        count = len(record["gains"])
        return count >= self.screened or (count > 1 and _is_above_zero(record["gains"]))

    def problems(self, evidence: Evidence, record: Record) -> Iterator[Problem]:
        """One that is clearly better; where it is better by half, numbers as it is are not believed."""
        ratio = math.exp(record["gain"])
        if not record["plausible"] or ratio < self._least(record["confidence"]) or not _is_above_zero(record["gains"]):
            return
        is_red = ratio >= self.not_believed
        yield Problem(
            f"{evidence.name}: {_changes(record)} with {record['alternative']}",
            evidence.doubts() if is_red else frozenset(),
            "fail" if is_red else "warn",
        )

    def _least(self, confidence: Sequence[float]) -> float:
        """The least ratio of metrics that is clearly better."""
        if not confidence:
            return self.unsure
        before, after = confidence
        return self.surer if after > before else self.by_far


def _changes(record: Record) -> str:
    """Metrics and confidence as it is and with the alternative."""
    metrics = [(task, curve_metric(task), values) for task, values in record["metrics"].items()]
    changes = [
        f"{metric_name(task, metric)} {metric_text(task, metric, before)} becomes {metric_text(task, metric, after)}"
        for task, metric, (before, after) in metrics
    ]
    if record["confidence"]:
        changes.append("mean confidence {:.2f} becomes {:.2f}".format(*record["confidence"]))
    return ", ".join(changes)


def _stride(scope: Scope, images: int) -> slice:
    """What takes about so many images of a batch, evenly: neighbours are often alike."""
    return slice(None, None, -(-scope.batch // images))


def _tried(context: WorkerContext, tasks: Sequence[Task], batch: Batch, other: Alternative) -> Measured:
    return _measured(context, tasks, batch, other.outputs(context.target_model, batch.images))


def _measured(context: WorkerContext, tasks: Sequence[Task], batch: Batch, outputs: Outputs) -> Measured:
    labels, statistics, losses = batch.labels, {}, {}
    for task in tasks:
        seen = rescaled(task, outputs, labels, context.model.depth_align)
        label, num_classes = labels[task.key], len(task.class_set(context.classes))
        statistics[task.name] = task.statistics(seen, labels, num_classes)
        losses[task.name] = task.loss(seen[task.key], label).where(task.valid(label), math.nan).tolist()
    logits = next((task.class_logits.of(outputs) for task in tasks if task.class_logits is not None), None)
    confidences = [] if logits is None else logits.softmax(1).amax(1).flatten(1).mean(1).tolist()
    return Measured(statistics, losses, confidences)


def _joined(parts: Sequence[Measured]) -> Measured:
    """All images of some batches."""
    names = list(parts[0].statistics)
    return Measured(
        {name: [each for part in parts for each in part.statistics[name]] for name in names},
        {name: [each for part in parts for each in part.losses[name]] for name in names},
        [each for part in parts for each in part.confidences],
    )


def _value(task: Task, seen: Measured) -> float:
    """The metric that a task is judged by."""
    statistics = seen.statistics[task.name]
    values = task.values(statistics, np.ones((1, len(statistics))), task.scored(statistics))
    return float(values.overall[task.curve][0])


def _gain(tasks: Sequence[Task], before: Measured, after: Measured) -> float:
    """How much better metrics have become: the mean over tasks of the log of their ratios, 0 where one has no value."""
    gains = []
    for task in tasks:
        first, second = (math.log(max(_value(task, seen), _SMALLEST)) for seen in (before, after))
        gains.append((second - first) * (1 if task.metric(task.curve).higher_is_better else -1))
    return float(np.mean(np.nan_to_num(gains, posinf=0.0, neginf=-math.inf)))


def _loss_gains(tasks: Sequence[Task], before: Measured, after: Measured) -> list[float]:
    """How much better the loss of each image with a label has become, in the same way."""
    first, second = (
        np.mean([np.log(np.maximum(seen.losses[task.name], _SMALLEST)) for task in tasks], axis=0)
        for seen in (before, after)
    )
    return [float(gain) for gain in first - second if math.isfinite(gain)]


def _is_plausible(task: Task, seen: Measured) -> bool:
    num_classes = int(task.scored(seen.statistics[task.name]).sum())
    return not task.implausible(task.curve, _value(task, seen), num_classes)


def _is_above_zero(gains: Sequence[float]) -> bool:
    """Whether the mean over images is above 0 beyond chance."""
    mean = mean_of(np.array(gains))
    return mean.value > 0 and mean.p_value < 1 - LEVEL
