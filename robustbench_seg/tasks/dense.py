"""Tasks with a value at every pixel: what a network predicts for them, and how outputs are checked."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Self

from robustbench_seg.classes import Alignment
from robustbench_seg.errors import InputError
from robustbench_seg.lazy import F, Tensor, torch
from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.names import named
from robustbench_seg.tasks.registry import load_tasks, ordered_names
from robustbench_seg.tasks.rules import MapRule

USUAL_OUTPUTS = ("out", "logits")
"""What networks call their only output."""


class DenseTask(Task):
    """A task with a value at every pixel; any network with dense heads can predict it.

    `planes` is how many channels its output has: with one it is (N,H,W), with more (N,K,H,W); None is one per class.
    `invertible` says that networks may give the inverse of its values instead, `usual_outputs` what they call it.
    """

    planes: ClassVar[int | None] = 1
    invertible: ClassVar[bool] = False
    usual_outputs: ClassVar[tuple[str, ...]] = USUAL_OUTPUTS
    label_rule = MapRule("float32", 0.0)

    def called(self, label: str) -> Self:
        """The same task under another name and key."""
        made = copy.copy(self)
        made.name = made.key = named(self.name, label)
        made.title = label.replace("_", " ")
        return made

    def channels(self, num_classes: int) -> int:
        """How many raw channels a network predicts for the task."""
        return num_classes if self.planes is None else self.planes

    def activate(self, raw: Tensor) -> Tensor:
        """The output of a network's raw channels (N,K,H,W)."""
        return raw[:, 0] if self.planes == 1 else raw

    def output(self, value: object, shape: Sequence[int], alignment: Alignment | None) -> Tensor:
        """Maps (N,K,h,w), or (N,h,w) of one plane, brought to the images' size bilinearly."""
        dense = self.checked(value, shape)
        if dense.shape[-2:] != tuple(shape[-2:]):
            dense = F.interpolate(dense, tuple(shape[-2:]), mode="bilinear", align_corners=False)
        return dense[:, 0] if self.planes == 1 else dense

    def checked(self, value: object, shape: Sequence[int]) -> Tensor:
        """A network's maps (N,K,h,w), or (N,h,w) of one plane, as (N,K,h,w); InputError where they cannot be that."""
        key, count = self.key, shape[0]
        if not isinstance(value, torch.Tensor):
            raise InputError(f"the model's output has no tensor '{key}'; map it with --output {key}=KEY")
        if not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise InputError(f"output '{key}' is {kind}, which has no gradient; give what it is the argmax of")
        dense = value.float().unsqueeze(1) if value.dim() == 3 else value.float()
        if dense.dim() != 4 or len(dense) != count:
            raise InputError(f"output '{key}' has shape {tuple(value.shape)} for {count} images")
        (h, w), (height, width) = dense.shape[-2:], shape[-2:]
        if (h - w) * (height - width) < 0:
            raise InputError(f"output '{key}' is {h} x {w} for images of {height} x {width}: are its axes swapped?")
        if self.planes not in (None, dense.shape[1]):
            raise InputError(f"output '{key}' has {dense.shape[1]} channels, not {self.planes}; give the model as many")
        return dense

    def valid_pixels(self, label: Tensor) -> Tensor:
        """The pixels (N,H,W) with a label: another than outside of the image."""
        return label != self.label_rule.outside

    def valid(self, label: Tensor) -> Tensor:
        """Images with at least one labelled pixel."""
        return self.valid_pixels(label).flatten(1).any(1)

    def ascended(self, loss: str, progress: float) -> Callable[[Tensor, Tensor], Tensor]:
        """One of `attack_losses`, over the labelled pixels."""
        form = self.attack_losses.get(loss)
        if form is None:
            return self.loss
        return lambda output, label: form.away(output, label, self.valid_pixels(label), progress)

    def descended(self, loss: str, progress: float) -> Callable[[Tensor, Tensor], Tensor]:
        """One of `attack_losses`, over all pixels."""
        form = self.attack_losses.get(loss)
        return self.distance if form is None else partial(form.toward, progress=progress)

    def prediction(self, output: Tensor) -> Tensor:
        """The maps (N,...,H,W) of an output in which a region can be replaced by another: what hiding fills in."""
        return output

    def alike(self) -> Callable[[Tensor, Tensor], Tensor] | None:
        """What tells where two predictions (N,...,H,W) are alike, (N,H,W) bool; None where the task does not say."""
        return None

    def domain_maps(self, output: Tensor, source: Tensor) -> Tensor:
        """What a discriminator of domains sees (N,K,H,W) of an output; `source` is that of the labelled domain's batch.

        By default the output itself.
        """
        return output.unsqueeze(1) if self.planes == 1 else output


def self_information(log_probabilities: Tensor) -> Tensor:
    """-p log p of each of C classes (N,C,H,W), divided by log C: their sum, the entropy, is 1 where all are as likely.

    What a discriminator sees of a segmentation (Vu 2019, AdvEnt).
    """
    return -log_probabilities.exp() * log_probabilities / math.log(log_probabilities.shape[1])


def dense_tasks() -> dict[str, DenseTask]:
    """The tasks with a value at every pixel, which any network with dense heads can predict."""
    return {name: task for name, task in load_tasks(ordered_names()).items() if isinstance(task, DenseTask)}
