"""From the outputs at one epsilon to one record per image: statistics, realised strength, outcome, pictures."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from robustbench_seg.attacks.budgets import strength
from robustbench_seg.attacks.objectives.base import AdversarialLoss
from robustbench_seg.attacks.target_model import finite
from robustbench_seg.evaluation import panels
from robustbench_seg.evaluation.batch import Batch, measure
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.results.keys import CLEAN, FLOAT, AttackConfiguration
from robustbench_seg.results.records import ImageResult, pack
from robustbench_seg.tasks.base import Outputs


@dataclass(frozen=True)
class Cell:
    """One configuration at one of its epsilons (None: without one), scored in one way."""

    configuration: AttackConfiguration
    epsilon: float | None
    scored: str = FLOAT

    @property
    def is_clean(self) -> bool:
        """Whether it is that of the clean images."""
        return self.configuration.attack == CLEAN

    @property
    def folder(self) -> str:
        """A folder name for its images, unique by its exact epsilon."""
        epsilon = "" if self.epsilon is None else repr(self.epsilon)
        parts = (self.configuration.label, self.configuration.objective, self.configuration.norm, epsilon)
        return re.sub("[:,@]", "-", "_".join(part for part in parts if part))

    @property
    def is_drawn(self) -> bool:
        """Whether its pictures are kept: the largest epsilon up to 4, where effects are plain to see."""
        known = [e for e in self.configuration.epsilons if e is not None and e > 0]
        drawn = max((e for e in known if e <= 4), default=min(known, default=None))
        return self.is_clean or (self.scored == FLOAT and self.epsilon == drawn)

    @property
    def is_saved(self) -> bool:
        """Whether its images are files of their own: those of rounded ones would be the same as before rounding."""
        return self.scored == FLOAT and not self.is_clean


class Scorer:
    """Scores the perturbed images of one batch."""

    def __init__(self, context: WorkerContext, batch: Batch, pictures: Pictures) -> None:
        self._context = context
        self._batch = batch
        self._pictures = pictures

    def score(
        self, cell: Cell, images: Tensor, outputs: Outputs, adversarial_loss: AdversarialLoss | None
    ) -> tuple[ImageResult, ...]:
        """Return one record per image; `outputs` are those of `images` (N,3,H,W), the loss is what was ascended."""
        context, batch = self._context, self._batch
        tables = measure(batch, outputs, context.tasks, len(context.classes), context.model.median_scaling)
        outcome = adversarial_loss.outcome if adversarial_loss is not None else None
        counts = {} if outcome is None else {key: value.tolist() for key, value in outcome(outputs).items()}
        skips = adversarial_loss is not None and adversarial_loss.skips
        attackable = adversarial_loss.attackable.tolist() if adversarial_loss is not None else []
        known = torch.stack([finite(output) for output in outputs.values()]).all(0).tolist()
        results = []
        for i, result in enumerate(self._realised(images)):
            if not known[i]:
                results.append(replace(result, error="the model's output is not finite"))
                continue
            drawn = cell.is_drawn and result.image in self._pictures.panels
            results.append(
                replace(
                    result,
                    skipped=skips and not attackable[i],
                    outcome={key: int(value[i]) for key, value in counts.items()},
                    statistics={task: pack(values) for task, values in tables[i].items()},
                    pngs=self._draw(i, images[i], outputs, cell.is_clean) if drawn else {},
                )
            )
            if self._pictures.folder is not None and cell.is_saved:
                self._save(self._pictures.folder, cell, i, images[i])
        return tuple(results)

    def _realised(self, images: Tensor) -> list[ImageResult]:
        """RMS, largest change and SNR of each perturbed image."""
        size = strength(self._batch.images, images)
        numbers = zip(self._batch.indices, size.rms.tolist(), size.linf.tolist(), size.snr_db.tolist(), strict=True)
        return [
            ImageResult(index, "", rms, linf, snr_db if math.isfinite(snr_db) else None, unchanged=rms == 0)
            for index, rms, linf, snr_db in numbers
        ]

    def _draw(self, i: int, image: Tensor, outputs: Outputs, clean: bool) -> dict[str, bytes]:
        classes, labels = self._context.classes, self._batch.labels
        pictures = {}
        for key, task in self._context.target_model.tasks.items():
            pictures[f"prediction:{key}"] = task.draw_output(outputs[key], i, image, classes)
            if clean:
                pictures[f"label:{key}"] = task.draw_label(labels[key], i, image, classes)
        drawn = {name: panels.png(pixels) for name, pixels in pictures.items() if pixels is not None}
        if clean:
            return {**drawn, "image": panels.picture(image)}
        perturbation = panels.amplified(image - self._batch.images[i])
        return {**drawn, "perturbed": panels.picture(image), "perturbation": perturbation}

    def _save(self, root: Path, cell: Cell, i: int, image: Tensor) -> None:
        names = (self._context.model.name, self._context.dataset.name)
        folder = root.joinpath(*(name.replace("/", "_") for name in names), cell.folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self._batch.ids[i].replace('/', '_')}.png").write_bytes(panels.picture(image))
