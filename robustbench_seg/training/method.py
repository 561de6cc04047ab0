"""How a network learns: from labels, or from labels and video."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor, nn

from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import InputError
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.training.batches import Source
from robustbench_seg.training.optimiser import Rates
from robustbench_seg.training.place import Forward
from robustbench_seg.training.recipe import Recipe
from robustbench_seg.training.supervised import Supervised
from robustbench_seg.training.validate import Check
from robustbench_seg.training.video.clips import ClipSource
from robustbench_seg.training.video.joint import Joint


@dataclass(frozen=True)
class VideoSets:
    """The data sets that depth is learnt from and, where it has depth, measured on."""

    train: Dataset
    val: Dataset


class Method(Protocol):
    """How a network learns: what is trained around it, and the loss of a step."""

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The module that is trained."""

    def network(self, module: nn.Module) -> nn.Module:
        """What is validated and exported of it."""

    def rates(self, module: nn.Module) -> Rates:
        """The parts of the module that do not learn at the decoders' rate."""

    def batch(self, step: int) -> Any:
        """What a step learns from, on the host: a pure function of the step, with `pin_memory()` and `to(device)`."""

    def loss(self, forward: Forward, batch: Any) -> Tensor:
        """The scalar loss of a batch, given the module as it is run."""


def method_of(labelled: Supervised, video: VideoSets | None) -> Method:
    """How the recipe says its network learns; InputError where it needs `video` and there is none."""
    recipe = labelled.recipe.video
    if recipe is None:
        return labelled
    if video is None:
        raise InputError(f"recipe {labelled.recipe.name}: [video] needs its data sets")
    return Joint(labelled, recipe, ClipSource(video.train, recipe.size, recipe.cache))


def video_checks(recipe: Recipe, video: VideoSets | None) -> tuple[Check, ...]:
    """The check of depth learnt from video, where there is such and the data set has depth."""
    if recipe.video is None or video is None or Depth.name not in video.val.tasks:
        return ()
    source = Source(video.val, (Depth.name,), recipe.video.cache, recipe.video.size)
    return (Check(source, median_scaling=True),)
