"""The stage that trains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from robustbench_seg.training.loop import train
from robustbench_seg.training.stages.base import Job, Left, Stage


@dataclass(frozen=True)
class Train(Stage):
    """Trains the recipe's network from its start, on the frames that are left."""

    trains: ClassVar[bool] = True

    def run(self, job: Job, folder: Path, before: Left) -> Left:
        """Continues where it stopped; see `loop.train`."""
        train(
            job.recipe,
            job.train_set,
            job.val_set,
            folder,
            unlabelled=job.splits(before.frames),
            place=job.place,
            progress=job.progress,
        )
        return replace(before, training=folder, history=(*before.history, "train"))
