"""Wraps a network that others trained, so that it takes [0,1] RGB images and returns the dict of outputs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.adapters.sizes import AnySize, SizeRule
from robustbench_seg.models.blocks.normalization import PRESETS, Normalization, Normalize
from robustbench_seg.tasks.dense import DenseTask, dense_tasks

MIN_INVERSE = 1e-6
_MOST_AT_1 = 2.0
"""No mean or std of an image in [0,1] is larger."""
_DEFAULT_KEYS = ("out", "logits")


@dataclass(frozen=True)
class OutputSpec:
    """Where a dense task's output lies in what the network returns, and whether it comes as its inverse (disparity).

    `key` is a dict key, an attribute's name, or a list's index; None takes the obvious one (the tensor itself,
    `out`, the task's name, `.logits`, or the first of a list).
    """

    task: str
    key: str | None = None
    inverse: bool = False

    @classmethod
    def parse(cls, text: str) -> OutputSpec:
        """`TASK`, `TASK=KEY`, or either followed by `:inverse`."""
        known = dense_tasks()
        body = text.removesuffix(":inverse")
        task, equals, key = body.partition("=")
        if task not in known or (equals and not key):
            raise UsageError(f"output {text!r}: use TASK=KEY or TASK=KEY:inverse, TASK one of {', '.join(known)}")
        if body != text and not known[task].invertible:
            possible = ", ".join(name for name, dense in known.items() if dense.invertible)
            raise UsageError(f"output {text!r}: only {possible} can be inverse")
        return cls(task, key or None, body != text)


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
        if self.order not in ("rgb", "bgr"):
            raise UsageError(f"channel order {self.order!r}: use rgb or bgr")
        if self.normalize not in PRESETS:
            _refuse_other_units(self.normalize, self.scale)

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

    def __init__(self, net: nn.Module, spec: InputSpec, outputs: Sequence[OutputSpec], num_classes: int) -> None:
        super().__init__()
        known = dense_tasks()
        self.net = net
        self.normalize = Normalize(spec.normalization())
        self.size = spec.size
        self.flip = spec.order == "bgr"
        self.outputs = tuple((known[output.task], output) for output in outputs)
        self.num_classes = num_classes

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """One output per task; InputError where what the network returns does not fit."""
        x = self.normalize(self.size.fitted(images))
        raw = self.net(x.flip(1) if self.flip else x)
        return {task.key: self._output(raw, task, spec, x.shape, images.shape) for task, spec in self.outputs}

    def _output(
        self, raw: object, task: DenseTask, spec: OutputSpec, seen: Sequence[int], shape: Sequence[int]
    ) -> Tensor:
        name, value = task.name, select(raw, spec)
        if not isinstance(value, Tensor):
            raise InputError(f"output for {name}: {_kind(value)} instead of a tensor; name one with {name}=KEY")
        try:
            maps = self.size.restored(task.checked(value, seen), shape[-2:])
            output = task.output(maps, shape, None)
        except InputError as error:
            raise InputError(f"{error} (or name another with {name}=KEY)") from None
        if task.planes is None and output.shape[1] != self.num_classes:
            raise InputError(
                f"output for {name}: {output.shape[1]} channels, but the class set has {self.num_classes} classes; "
                f"give the matching --classes or --output {name}=KEY"
            )
        return output.clamp(min=MIN_INVERSE).reciprocal() if spec.inverse else output


def select(raw: object, spec: OutputSpec) -> object:
    """The entry of a network's output that a spec names, or the obvious one."""
    keys = (spec.key,) if spec.key is not None else (spec.task, *_DEFAULT_KEYS, "0")
    if isinstance(raw, Tensor) and spec.key is None:
        return raw
    for key in keys:
        with contextlib.suppress(AttributeError, LookupError):
            return _entry(raw, key)
    raise InputError(
        f"output for {spec.task}: no {spec.key or 'obvious entry'} in {_kind(raw)}; {_other_task(raw, spec)}"
    )


def _other_task(raw: object, spec: OutputSpec) -> str:
    """What to give instead: a key that is a task's may say which task the network is for."""
    tasks = {key: name for name, task in dense_tasks().items() for key in (task.key, name)}
    for key in raw if spec.key is None and isinstance(raw, Mapping) else ():
        if key in tasks:
            return f"the output has '{key}', a task's name: give --output {tasks[key]}={key}"
    return f"use {spec.task}=KEY"


def _entry(raw: object, key: str) -> object:
    if isinstance(raw, Mapping):
        return raw[key]
    return raw[int(key)] if isinstance(raw, Sequence) and key.lstrip("-").isdigit() else getattr(raw, key)


def _kind(raw: object) -> str:
    """What an output is, with the names by which its entries can be asked for."""
    kind = type(raw).__name__
    if isinstance(raw, Tensor):
        return f"a tensor {tuple(raw.shape)}"
    if isinstance(raw, Mapping):
        return f"a {kind} with keys {', '.join(map(str, raw))}"
    return f"a {kind} of length {len(raw)}" if isinstance(raw, Sequence) else f"a {kind}"


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
