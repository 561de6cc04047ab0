"""Wraps a network that others trained, so that it takes [0,1] RGB images and returns the dict of outputs."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from robustbench_seg.classes import Alignment, ClassSet, align
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.adapters.outputs import OutputSpec, kind, select
from robustbench_seg.models.adapters.sizes import AnySize, SizeRule
from robustbench_seg.models.blocks.normalization import PRESETS, Normalization, Normalize
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.depth_align import ALIGNMENTS, NONE, DepthAlignment
from robustbench_seg.tasks.registry import load_task

ORDERS = ("rgb", "bgr")
_MOST_AT_1 = 2.0
"""No mean or std of an image in [0,1] is larger."""


@dataclass(frozen=True)
class InputSpec:
    """What a network wants of an image.

    A [0,1] RGB image is brought to a `size` that the network takes, multiplied by `scale`, its channels are put in
    `order`, then it is normalised. Means and stds are given for red, green and blue whatever the order, in units of the
    scaled image: with scale 255, `mean=123.7,116.3,103.5`. Presets are defined on [0,1] and follow the scale.
    UsageError where means or stds are not in those units.
    """

    normalize: str = "imagenet"
    scale: int = 1
    order: str = "rgb"
    size: SizeRule = field(default_factory=AnySize)

    def __post_init__(self) -> None:
        if self.scale not in (1, 255):
            raise UsageError(f"input scale {self.scale}: use 1 or 255")
        if self.order not in ORDERS:
            raise UsageError(f"channel order {self.order!r}: use rgb or bgr")
        if self.normalize not in PRESETS:
            _refuse_other_units(self.normalize, self.scale)

    @property
    def options(self) -> tuple[str, ...]:
        """As it is given on the command line, but for the size."""
        return (
            f"--normalize {shlex.quote(self.normalize)}",
            f"--input-scale {self.scale}",
            f"--channel-order {self.order}",
        )

    def normalization(self) -> Normalization:
        """The normalisation of an unscaled RGB image that amounts to this."""
        given = Normalization.parse(self.normalize)
        if self.normalize in PRESETS and self.normalize != "none":
            return given
        return Normalization(_times(given.mean, 1 / self.scale), _times(given.std, 1 / self.scale))


def _refuse_other_units(text: str, scale: int) -> None:
    """UsageError where a normalisation is clearly in the units of the other scale."""
    given = Normalization.parse(text)
    means, stds = [abs(value) for value in given.mean], given.std
    if scale == 1 and max(*means, *stds) > _MOST_AT_1:
        raise UsageError(
            f"normalisation {text!r} at input scale 1: these are numbers of an image in 0..255; "
            "give --input-scale 255 if the network takes that, else divide them by 255"
        )
    if scale == 255 and (0 < max(means) < 1 or max(stds) < 1):
        raise UsageError(
            f"normalisation {text!r} at input scale 255: these are numbers of an image in 0..1; "
            "leave out --input-scale if the network takes that, else multiply them by 255"
        )


class Adapter(nn.Module):
    """The wrapped network: images (N,3,H,W) in [0,1] to a dict of dense tasks' outputs at that size.

    Images are padded or resized where the network needs it, and gradients go through that. Strided outputs are
    upsampled bilinearly to the image; inverse depth is upsampled before it is inverted, because inverse depth, not
    depth, is linear in the image of a plane.
    """

    def __init__(
        self,
        net: nn.Module,
        spec: InputSpec,
        outputs: Sequence[OutputSpec],
        classes: Sequence[ClassSet],
        depth: DepthAlignment = ALIGNMENTS[NONE],
    ) -> None:
        """`classes` are those of each output, also of tasks that have none; `depth` is how depth is aligned."""
        super().__init__()
        self.net = net
        self.normalize = Normalize(spec.normalization())
        self.spec = spec
        self.heads = tuple(Head.of(output, own, depth) for output, own in zip(outputs, classes, strict=True))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """One output per task; InputError where what the network returns does not fit."""
        size = self.spec.size
        x = self.normalize(size.fitted(images))
        raw = self.net(x.flip(1) if self.spec.order == "bgr" else x)
        return {head.task.key: head.output(raw, x.shape, images.shape, size) for head in self.heads}


@dataclass(frozen=True)
class Head:
    """One output of a network: where it lies, the task it is of, and how its channels are that task's classes."""

    spec: OutputSpec
    task: DenseTask
    alignment: Alignment | None
    depth: DepthAlignment

    @classmethod
    def of(cls, spec: OutputSpec, classes: ClassSet, depth: DepthAlignment) -> Head:
        """The head of a spec in the classes that it predicts."""
        task = load_task(spec.task)
        assert isinstance(task, DenseTask)
        return cls(spec, task, align(classes, classes) if task.has_classes else None, depth)

    def output(self, raw: object, seen: Sequence[int], shape: Sequence[int], size: SizeRule) -> Tensor:
        """The task's output for images of `shape`, which the network has seen as `size` brings them to: `seen`."""
        value = select(raw, self.spec)
        if not isinstance(value, Tensor):
            what = f"{kind(value)} instead of a tensor"
            raise InputError(f"output for {self.spec.called}: {what}; name one with {self.spec.option}")
        try:
            maps = size.restored(self.task.checked(value, seen), shape[-2:])
            output = self.task.output(maps, shape, self.alignment)
        except InputError as error:
            raise InputError(f"{error} (or name another with {self.spec.option})") from None
        return self.depth.inverted(output) if self.spec.inverse else output


def _times(values: tuple[float, float, float], by: float) -> tuple[float, float, float]:
    return values[0] * by, values[1] * by, values[2] * by


def probe(adapter: nn.Module, size: tuple[int, int] = (128, 192)) -> None:
    """Runs one grey image, so that outputs that do not fit show before a run starts.

    Whatever else the network raises only shows in the run: it may take images of another size alone.
    """
    try:
        with torch.no_grad():
            adapter(torch.full((1, 3, *size), 0.5))
    except InputError:
        raise
    except Exception:
        return
