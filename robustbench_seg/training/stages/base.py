"""What a stage of a training is: it takes what the one before leaves, and leaves something to the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from robustbench_seg.data.base import Dataset
from robustbench_seg.training.loop import Progress
from robustbench_seg.training.method import Splits
from robustbench_seg.training.place import Place
from robustbench_seg.training.recipe import Recipe
from robustbench_seg.training.stages.frames import ChosenFrames, read_frames


@dataclass(frozen=True)
class Left:
    """What a stage leaves: the folder of the latest training, the list of frames that clips are read from (None: all).

    `history` has a few words on each stage so far.
    """

    training: Path | None = None
    frames: Path | None = None
    history: tuple[str, ...] = ()


@dataclass(frozen=True)
class Job:
    """What the stages of a training have in common; `recipe` is that of a single one, without stages."""

    recipe: Recipe
    train_set: Dataset
    val_set: Dataset
    unlabelled: Splits | None
    place: Place
    progress: Progress | None = None

    def splits(self, frames: Path | None) -> Splits | None:
        """The data that are learnt from without labels, of which only the listed frames are learnt from."""
        if self.unlabelled is None or frames is None:
            return self.unlabelled
        return replace(self.unlabelled, train=self.learnt_from(frames))

    def learnt_from(self, frames: Path | None) -> Dataset:
        """The video, or the listed frames of it."""
        assert self.unlabelled is not None, "stages are for video"
        video = self.unlabelled.train
        return video if frames is None else ChosenFrames(video, read_frames(frames))


class Stage(ABC):
    """One of a recipe's stages; the fields of its dataclass are its `parameters`."""

    trains: ClassVar[bool] = False
    """Whether it takes the recipe's steps."""

    @abstractmethod
    def run(self, job: Job, folder: Path, before: Left) -> Left:
        """Does what is left to do of it in `folder`, where it may have been before; interrupted, it is done again."""
