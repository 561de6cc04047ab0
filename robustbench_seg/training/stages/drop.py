"""The stage that drops frames whose predicted depth has holes (Guizilini 2020, section 4.3)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from robustbench_seg.data.base import Dataset
from robustbench_seg.float32 import tf32
from robustbench_seg.randomness import generator
from robustbench_seg.strict import Range
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.training.loop import BEST, build_module
from robustbench_seg.training.place import Place
from robustbench_seg.training.stages.base import Job, Left, Stage
from robustbench_seg.training.stages.frames import FRAMES, is_made_of, read_frames, write_frames
from robustbench_seg.training.stages.ground import back_projected, below, fit_ground
from robustbench_seg.training.state import read_state
from robustbench_seg.training.video.clips import ClipSource

_PIXELS = 640 * 192
"""Of the paper's images, which its threshold is for."""
_BATCH = 4


@dataclass(frozen=True)
class DropBelowGround(Stage):
    """Drops the frames with more than `pixels` pixels whose predicted depth lies more than `below` metres underground.

    What moves as the camera does looks infinitely far away in video, and so below the ground that it stands on. The
    ground is the plane that RANSAC finds in the lower image. Depth learnt from video has no unit: that plane is taken
    to lie `camera_height` metres below the camera. The paper's threshold of 10 pixels, of images of 640x192, is scaled
    with their number; it does not say what lies significantly below, nor in which unit.

    With `random` as many frames are dropped, but any: the control.
    """

    pixels: Annotated[float, Range(0)] = 10.0
    below: Annotated[float, Range(0)] = 0.5
    camera_height: Annotated[float, Range(0.01)] = 1.65
    random: bool = False

    def run(self, job: Job, folder: Path, before: Left) -> Left:
        """Leaves the list of the frames that stay, made once for a training and the frames before."""
        assert before.training is not None, "a training is the first stage"
        file, best, frames = folder / FRAMES, before.training / BEST, job.learnt_from(before.frames)
        made_of = self._made_of(job, best, frames)
        if not is_made_of(file, made_of):
            folder.mkdir(parents=True, exist_ok=True)
            stays = self._stays(job, best, frames)
            write_frames(file, [name for name, stay in zip(frames.ids, stays, strict=True) if stay], made_of)
        how = "random frames" if self.random else "frames below ground"
        words = f"{how} dropped: {len(read_frames(file))} of {len(frames)} are left"
        return replace(before, frames=file, history=(*before.history, words))

    def _made_of(self, job: Job, best: Path, frames: Dataset) -> str:
        """A digest of all that the list depends on."""
        weights = hashlib.sha256(best.read_bytes()).hexdigest()
        parts = [asdict(self), job.recipe.seed, weights, frames.fingerprint()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _stays(self, job: Job, best: Path, frames: Dataset) -> list[bool]:
        """Of each frame, whether it stays."""
        video, seed = job.recipe.video, job.recipe.seed
        assert video is not None, "stages are for video"
        module = build_module(job.recipe, len(job.train_set.classes))
        module.load_state_dict(read_state(best)["module"])
        depths = predicted(module, ClipSource(frames, video.size, cache=False), job.place)
        holes = [
            self.has_hole(depth, intrinsics, generator(seed, name, "ground"))
            for name, (depth, intrinsics) in zip(frames.ids, depths, strict=True)
        ]
        dropped = generator(seed, frames.name, "drop").permutation(holes) if self.random else holes
        return [not drop for drop in dropped]

    def has_hole(
        self, depth: npt.NDArray[np.float32], intrinsics: npt.NDArray[np.float32], dice: np.random.Generator
    ) -> bool:
        """Whether too much of a depth map (H,W) lies below the ground; where no ground is found nothing does."""
        points = back_projected(depth, intrinsics)
        plane = fit_ground(points, dice)
        if plane is None:
            return False
        count = (below(points, plane) > self.below / self.camera_height).sum()
        return bool(count > self.pixels * depth.size / _PIXELS)


def predicted(
    module: nn.Module, source: ClipSource, place: Place
) -> Iterator[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    """The depth (H,W) that a network predicts of each frame, and the frame's intrinsics (3,3)."""
    module = module.to(place.device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload]
    count = len(source.dataset)
    for start in range(0, count, _BATCH):
        frames = [source.still(index) for index in range(start, min(start + _BATCH, count))]
        images = torch.cat([image for image, _ in frames]).to(place.device).float() / 255
        with torch.inference_mode(), tf32(False):
            depths = module(images)[Depth.key].cpu().numpy()
        for depth, (_, intrinsics) in zip(depths, frames, strict=True):
            yield depth, intrinsics.numpy()
