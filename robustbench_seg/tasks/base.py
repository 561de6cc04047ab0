"""What a task is: a loss, per-image sufficient statistics, and metrics computed from weighted statistics."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import Alignment, ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.tasks.attack_loss import AttackLoss
from robustbench_seg.tasks.masked import selected
from robustbench_seg.tasks.names import named
from robustbench_seg.tasks.rules import LabelRule
from robustbench_seg.tasks.surveys import Survey
from robustbench_seg.transfer import fetch

Outputs = Mapping[str, Any]
"""Model outputs by key: tensors, and a `DenseInstances` under `instances`."""
Labels = Mapping[str, Any]
"""Labels of a batch by key: tensors, and `InstanceLabels` under `instances`."""
Group = Literal["semantic", "geometric"]
Statistics = Mapping[str, npt.NDArray[np.float64]]
RawStatistics = Mapping[str, Any]
"""What the statistics of a batch are made of: tensors (N,...), or dataclasses of such."""
Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
"""A picture (H,W,3)."""


@dataclass(frozen=True)
class Metric:
    """One metric that a task reports.

    `title` is what it is called, `class_title` what its value of one class is called (by default the same),
    `higher_is_better` its direction (None: neither, so no ratio), `pooling` how images are pooled into it.
    """

    name: str
    title: str
    higher_is_better: bool | None
    unit: str
    pooling: str
    class_title: str = ""

    def __post_init__(self) -> None:
        if not self.class_title:
            object.__setattr__(self, "class_title", self.title)


@dataclass(frozen=True)
class RawLoss:
    """One of the losses a task is trained with, its title, and the group it is attacked in (None: in neither)."""

    name: str
    title: str
    group: Group | None


@dataclass(frozen=True)
class Values:
    """Metric values for R weightings of the images: `overall` (R,) and `classes` (R,C) of every metric.

    A value without data is NaN (never 0 or -1).
    """

    overall: Mapping[str, Floats]
    classes: Mapping[str, Floats]


@dataclass(frozen=True)
class LossSettings:
    """What training losses take from the recipe: class weights (C,) of the cross-entropy, kinds of loss.

    `edge_weight` is that of edges against 1 less it of what is none; None gives both the same total weight.
    """

    class_weights: Tensor | None = None
    depth: str = "log_l1"
    normals: str = "l1"
    edge_weight: float | None = None


@dataclass(frozen=True)
class OwnLabels:
    """What one of several tasks of a kind is measured against: the data set's label `key`, in classes of its own.

    `alignment` joins its classes with those of that label; None where the task has no classes.
    """

    key: str
    alignment: Alignment | None = None


class ClassLogits(ABC):
    """Where a task's classes are decided: logits (N,C,...) at its elements, and their labels (N,...), void 255."""

    @abstractmethod
    def of(self, outputs: Outputs) -> Tensor:
        """The logits (N,C,...)."""

    @abstractmethod
    def labels(self, outputs: Outputs, labels: Labels) -> Tensor:
        """The true classes (N,...)."""

    def above(self, logits: Tensor, floor: float) -> Tensor:
        """Which elements (N,...) are predicted with a probability of at least `floor`: all, unless it is a detector."""
        return torch.ones_like(logits[:, 0], dtype=torch.bool)


class Task(ABC):
    """One task of a perception model. Stateless: every method is a pure function of its arguments.

    What a task declares can be read without importing torch. `title` is what it is called in a sentence, `key` the key
    of its model output and label, `group` says whether it counts as semantic or geometric (None: as neither), `metrics`
    lists what it reports, `curve` names the metric Q is drawn of, `raw` the losses it is made of (one with the task's
    own name where it is empty), `has_classes` whether it predicts classes of a class set, `reads` the other tasks whose
    labels `statistics` looks at where the data set has them, `segmenter` a frozen model, as `-m` names it, whose
    classes of the clean images it looks at (see `seen_by`; empty: none), `label_rule` how a label is read and follows
    its image through augmentation.

    A task that is a dataclass has its fields as parameters, each with a default: `--set TASK.PARAM=VALUE`.

    A model may have several tasks of one kind: `called` makes one with its own name and output, `against` says which
    labels and classes it alone has.
    """

    name: str
    title: str
    key: str
    group: Group | None
    metrics: tuple[Metric, ...]
    curve: str
    raw: ClassVar[tuple[RawLoss, ...]] = ()
    has_classes: ClassVar[bool] = False
    reads: tuple[str, ...] = ()
    segmenter: str = ""
    label_rule: ClassVar[LabelRule]
    attack_losses: ClassVar[Mapping[str, AttackLoss]] = {}
    own: OwnLabels | None = None

    @property
    def class_logits(self) -> ClassLogits | None:
        """Where the task's classes are decided and can be changed; by default nowhere."""
        return None

    def called(self, label: str) -> Self:
        """The same task under another name, which is also the key of its output: `semantic[drivable]`.

        UsageError where a model has one output of the kind at most.
        """
        raise UsageError(f"task '{named(self.name, label)}': a model has one output of {self.name} alone")

    def against(self, own: OwnLabels) -> Self:
        """The same task measured against labels, and in classes, of its own."""
        made = copy.copy(self)
        made.own = own
        return made

    @property
    def label_key(self) -> str:
        """The key of its label in a sample; in a batch it is `key`, like that of its output."""
        return self.key if self.own is None else self.own.key

    def aligned(self, shared: Alignment | None) -> Alignment | None:
        """How its classes meet the data set's: `shared` by all tasks, or its own."""
        return shared if self.own is None else self.own.alignment

    def class_set(self, shared: ClassSet) -> ClassSet:
        """The classes its numbers are of: those `shared` by all tasks, or its own."""
        return shared if self.own is None or self.own.alignment is None else self.own.alignment.classes

    @property
    def class_curve(self) -> str:
        """The metric that shows what became of one class."""
        return self.curve

    def class_fault(self, classes: ClassSet) -> str:
        """Why the task cannot be measured in these classes, with what to do; empty where it can."""
        return ""

    def implausible(self, metric: str, value: float, num_classes: int) -> str:
        """Why a clean value cannot be believed, as in "AbsRel 3.1, <why>"; empty where it can."""
        return ""

    def parts(self, output: Any) -> Sequence[Tensor]:
        """The tensors that an output is made of, images first; by default the output is one."""
        return [output]

    @property
    def has_scale(self) -> bool:
        """Whether outputs times a factor predict the same, so that `scale_free` has something to do."""
        return type(self).scale_free is not Task.scale_free

    def is_probability(self, output: Any) -> bool:
        """Whether an output that should be logits is probabilities."""
        return False

    def saturation(self, output: Any, label: Any) -> float:
        """The share of the valid elements whose prediction lies at the end of the range of all of them."""
        return 0.0

    @abstractmethod
    def output(self, value: object, shape: Sequence[int], alignment: Alignment | None) -> Any:
        """What a model gives under `key` for images of `shape` (N,3,H,W), at their size and in their classes.

        InputError where it cannot be this task's output.
        """

    @abstractmethod
    def loss(self, output: Any, label: Any) -> Tensor:
        """The per-image loss (N,), the mean over valid elements; 0 with zero gradient where none is valid."""

    @property
    def raw_losses(self) -> tuple[RawLoss, ...]:
        """What `losses` gives."""
        return self.raw or (RawLoss(self.name, self.title, self.group),)

    def losses(self, output: Any, label: Any) -> Mapping[str, Tensor]:
        """The raw losses (N,) by name; their sum is `loss`."""
        (only,) = self.raw_losses
        return {only.name: self.loss(output, label)}

    def distance(self, output: Any, target: Any) -> Tensor:
        """The loss (N,) to a target that is itself an output, over all its elements."""
        return self.loss(output, target)

    def ascended(self, loss: str, progress: float) -> Callable[[Any, Any], Tensor]:
        """What an attack ascends (N,) of an output and its label: the loss of that name, or the task's own.

        `progress` is the share of the attack's steps that are done.
        """
        return self.loss

    def is_weighted(self, loss: str) -> bool:
        """Whether the loss that is ascended under that name may fall as predictions get worse."""
        return loss in self.attack_losses and self.attack_losses[loss].focus is not None

    def descended(self, loss: str, progress: float) -> Callable[[Any, Any], Tensor]:
        """What an attack descends (N,) of an output and a target that is itself an output."""
        return self.distance

    def performance(self, output: Any, label: Any) -> Tensor:
        """A value (N,) that is higher where an image is predicted better, whatever loss an attack ascends."""
        return -self.loss(output, label)

    def scale_free(self, clean: Any) -> Callable[[Any], Any]:
        """What brings outputs to a scale that is not the model's, judged by the clean one; by default nothing does."""
        return lambda output: output

    @abstractmethod
    def valid(self, label: Any) -> Tensor:
        """Which images (N,) have at least one valid label element."""

    def reversed(self, output: Any, label: Any, how: str) -> float:
        """The share of the labelled images in which `rescaling` turns the order of the values round: 0 by default."""
        return 0.0

    def rescaling(self, output: Any, label: Any, how: str) -> Callable[[Any], Any]:
        """What brings outputs of a model without units to the label's, judged by one of them; by default nothing.

        `how` is the model's `depth_align`.
        """
        return lambda value: value

    @abstractmethod
    def raw_statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> RawStatistics:
        """What the statistics are made of, computed on the outputs' device without waiting for it.

        Sizes depend on shapes alone; by default these are the statistics themselves. Void elements are left out.
        """

    def image_statistics(self, raw: RawStatistics, labels: Labels, num_classes: int) -> list[Statistics]:
        """Sufficient statistics, one mapping of float64 arrays per image, of what `raw_statistics` gave.

        `raw` has been brought to the host (see `fetch`), `labels` are where they were.
        """
        arrays = {key: value.double().numpy() for key, value in raw.items()}
        count = len(next(iter(arrays.values())))
        return [{key: value[i] for key, value in arrays.items()} for i in range(count)]

    def statistics(self, outputs: Outputs, labels: Labels, num_classes: int) -> list[Statistics]:
        """Both in one: sufficient statistics, one mapping of float64 arrays per image; waits for the device."""
        raw = fetch(self.raw_statistics(outputs, labels, num_classes))
        return self.image_statistics(raw, labels, num_classes)

    @abstractmethod
    def values(self, statistics: Sequence[Statistics], weights: Floats, scored: npt.NDArray[np.bool_]) -> Values:
        """All metrics under R weightings of n images: `weights` (R,n), `scored` (C,) the classes in the labels."""

    def scored(self, statistics: Sequence[Statistics]) -> npt.NDArray[np.bool_]:
        """The classes (C,) that occur in the labels of these images: they alone have per-class values.

        Empty (0,) for a task that has none.
        """
        return np.zeros(0, np.bool_)

    def batch_labels(self, labels: Sequence[Any], alignment: Alignment | None) -> Any:
        """Labels of samples as a batch, in the classes of `alignment` where the task has classes."""
        rule = self.label_rule
        return rule.collate([rule.finish(rule.read(label)) for label in labels])

    def learnable(self, label: Any) -> bool:
        """Whether a batch's label has anything to train with; asked of one on the host, where nobody waits for it."""
        return bool(self.valid(label).any())

    def training_losses(self, output: Any, label: Any, settings: LossSettings) -> Mapping[str, Tensor]:
        """Scalar losses of a batch that is `learnable`, by name; one without a single label in it is left out or 0.

        By default the means of the raw losses over the images that have a label.
        """
        known = self.valid(label)
        count = known.sum().clamp(min=1)
        return {name: selected(values, known, 0.0).sum() / count for name, values in self.losses(output, label).items()}

    def survey(self, classes: ClassSet) -> Survey:
        """What counts its labels, which are in these classes, for a look at the data."""
        return Survey()

    def draw_output(self, output: Any, i: int, image: Tensor, classes: ClassSet) -> Pixels | None:
        """A picture of the output for image i of a batch, which is `image` (3,H,W); None where there is none."""
        return None

    def draw_label(self, label: Any, i: int, image: Tensor, classes: ClassSet) -> Pixels | None:
        """The same for the label."""
        return None

    @property
    def every_metric(self) -> tuple[Metric, ...]:
        """What it reports with any of its parameters; by default `metrics`."""
        return self.metrics

    def metric(self, name: str) -> Metric:
        """The metric of that name; KeyError where the task has none."""
        return {metric.name: metric for metric in self.metrics}[name]


def seen_by(segmenter: str) -> str:
    """The key under which labels hold the classes (N,H,W) that a frozen model sees in the clean images."""
    return f"seen by {segmenter}"


def rescaled(task: Task, outputs: Outputs, labels: Labels, how: str) -> Outputs:
    """Outputs of a model whose `depth_align` is `how`, the task's own in the unit of its label."""
    output = outputs[task.key]
    return {**outputs, task.key: task.rescaling(output, labels[task.key], how)(output)}


def stack(statistics: Sequence[Statistics], key: str) -> Floats:
    """The arrays of one key, images first."""
    return np.stack([np.asarray(image[key], np.float64) for image in statistics])


def weighted_mean(values: Floats, weights: Floats) -> Floats:
    """The mean over images (axis 0) that have a value (not NaN), for each of R weightings.

    `values` (n,...), `weights` (R,n); the result (R,...) is NaN where no weighted image has a value.
    """
    has = ~np.isnan(values)
    flat = np.where(has, values, 0.0).reshape(len(values), -1)
    total = weights @ has.reshape(len(values), -1).astype(np.float64)
    return quotient(weights @ flat, total).reshape(weights.shape[0], *values.shape[1:])


def quotient(top: Floats, bottom: Floats) -> Floats:
    """`top` / `bottom`, NaN where `bottom` is not above 0; `bottom` may be broadcast to the shape of `top`."""
    result: Floats = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return result


def class_mean(values: Floats) -> Floats:
    """The mean (R,) over the classes of (R,C) that have a value (not NaN); NaN where none has."""
    has = ~np.isnan(values)
    return quotient(np.where(has, values, 0.0).sum(1), has.sum(1))


def by_row(tables: Mapping[str, Floats], scored: npt.NDArray[np.bool_]) -> Values:
    """Values of tables (R,C+1), whose last column is that of all classes together; NaN where one is not `scored`."""
    hidden = np.where(scored, 0.0, np.nan)
    return Values(
        {name: table[:, -1] for name, table in tables.items()},
        {name: table[:, :-1] + hidden for name, table in tables.items()},
    )
