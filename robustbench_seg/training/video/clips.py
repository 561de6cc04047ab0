"""Three frames at a time: batches of clips as a pure function of (recipe, data set, step)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from robustbench_seg.data.base import Dataset, Sample, Video
from robustbench_seg.data.camera import scaled_intrinsics
from robustbench_seg.errors import InputError
from robustbench_seg.training.augment import item_generator, jitter, uniform
from robustbench_seg.training.batches import WHOLE, Part, indices, resized
from robustbench_seg.training.recipe import AugmentRecipe, VideoRecipe
from robustbench_seg.transfer import placed

_OTHER = 0x5EED
"""Sets the order of clips apart from that of labelled images."""

Frames = tuple[Tensor, Tensor]
"""Previous, current and next image (3,3,H,W) uint8 and the intrinsics (3,3) at that size."""


@dataclass(frozen=True)
class Clips:
    """Previous, current and next frames (N,3,H,W) in [0,1] as networks see them.

    `clean` (3,N,3,H,W) are the same before the colour change; the photometric error is measured on them.
    `intrinsics` (N,3,3) are in pixels.
    """

    before: Tensor
    now: Tensor
    after: Tensor
    clean: Tensor
    intrinsics: Tensor

    def pin_memory(self) -> Clips:
        """The same in memory that a GPU can copy from by itself."""
        return self._mapped(Tensor.pin_memory)

    def to(self, device: torch.device) -> Clips:
        """The same on another device."""
        return self._mapped(lambda frames: placed(frames, device))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Clips:
        return Clips(*(change(getattr(self, name)) for name in self.__dataclass_fields__))


@dataclass
class ClipSource:
    """The frames of a data set with neighbours, at `size` (H,W; None is theirs), kept in memory where asked."""

    dataset: Dataset
    size: tuple[int, int] | None = None
    cache: bool = True
    _kept: dict[int, Frames] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.dataset, Video):
            raise InputError(f"data set {self.dataset.name} has no neighbouring frames to learn depth from")

    def __getitem__(self, index: int) -> Frames:
        """The frames around a sample."""
        if index in self._kept:
            return self._kept[index]
        frames = self._read(index)
        if self.cache:
            self._kept[index] = frames
        return frames

    def still(self, index: int) -> Frames:
        """A sample without its neighbours: an image (1,3,H,W) uint8 and its intrinsics."""
        now = self.dataset[index]
        return self._sized([now], now)

    def _read(self, index: int) -> Frames:
        assert isinstance(self.dataset, Video)
        before, after = self.dataset.neighbours(index)
        now = self.dataset[index]
        return self._sized([before, now, after], now)

    def _sized(self, samples: Sequence[Sample], now: Sample) -> Frames:
        images = [torch.from_numpy(np.array(sample.image)).permute(2, 0, 1) for sample in samples]
        height, width = now.image.shape[:2]
        size = self.size or (height, width)
        small = [resized(image, {}, size, {})[0] for image in images]
        intrinsics = scaled_intrinsics(_intrinsics(now), (height, width), size)
        return torch.stack(small), torch.from_numpy(intrinsics)


def clip_batch(
    source: ClipSource, recipe: VideoRecipe, augment: AugmentRecipe, step: int, seed: int, part: Part = WHOLE
) -> Clips:
    """A part of the clips of a step; what is drawn for clip i is a function of (seed, step, i)."""
    # The two data sets may be one.
    chosen = indices(len(source.dataset), recipe.batch, step, seed ^ _OTHER)
    items = [_augmented(source[index], augment, step, i, seed) for i, index in part.of(chosen)]
    sizes = sorted({tuple(frames.shape[-2:]) for frames, _, _ in items})
    if len(sizes) > 1:
        raise InputError(f"{source.dataset.name}: frames of several sizes (HxW: {sizes}); set video.size in the recipe")
    clean = torch.stack([frames for frames, _, _ in items], 1)
    before, now, after = torch.stack([seen for _, seen, _ in items], 1)
    return Clips(before, now, after, clean, torch.stack([intrinsics for _, _, intrinsics in items]))


def _augmented(item: Frames, recipe: AugmentRecipe, step: int, i: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """The three frames, the same with one colour change, and the intrinsics; all mirrored or none."""
    frames, intrinsics = item[0].float() / 255, item[1]
    # Other random numbers than those of the labelled image at the same place in the batch.
    generator = item_generator(seed, step, i, 1)
    if uniform(generator) < recipe.flip:
        frames, intrinsics = frames.flip(-1), mirrored(intrinsics, frames.shape[-1])
    seen = jitter(torch.cat(list(frames), 2), recipe.jitter, generator)
    return frames, torch.stack(seen.chunk(3, 2)), intrinsics


def mirrored(intrinsics: Tensor, width: int) -> Tensor:
    """Intrinsics (3,3) of the mirrored image."""
    flipped = intrinsics.clone()
    flipped[0, 2] = width - 1 - intrinsics[0, 2]
    return flipped


def _intrinsics(sample: Sample) -> npt.NDArray[np.float32]:
    if sample.camera is None or "intrinsics" not in sample.camera:
        raise InputError(f"{sample.id}: has no camera intrinsics, which depth from video needs")
    return np.array(sample.camera["intrinsics"], np.float32)
