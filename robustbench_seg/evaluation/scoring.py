"""From the outputs at one epsilon to one record per image: statistics, realised strength, outcome, pictures."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from robustbench_seg.attacks.budgets import strength
from robustbench_seg.attacks.objectives.base import AdversarialLoss
from robustbench_seg.attacks.target_model import finite
from robustbench_seg.evaluation import panels
from robustbench_seg.evaluation.batch import Batch, image_statistics, raw_statistics
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.results.keys import CLEAN, FLOAT, AttackConfiguration, severity_of
from robustbench_seg.results.records import ImageResult, pack
from robustbench_seg.tasks.base import Outputs
from robustbench_seg.transfer import Arrival

Records = tuple[ImageResult, ...]


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
        """Whether its pictures are kept: the largest epsilon up to 4 or the middle severity, plain to see."""
        if severity_of(self.configuration.label) not in (None, 3):
            return False
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
        self,
        cell: Cell,
        images: Tensor,
        outputs: Outputs,
        adversarial_loss: AdversarialLoss | None = None,
        reached: Tensor | None = None,
    ) -> Future[Records]:
        """Start on one record per image: nothing here waits for the device, and the host's part may be done beside it.

        `outputs` are those of `images` (N,3,H,W), the loss is what was ascended, `reached` (N,) says which images had a
        gradient.
        """
        context, batch = self._context, self._batch
        size = strength(batch.images, images)
        measured = {
            "rms": size.rms,
            "linf": size.linf,
            "snr_db": size.snr_db,
            "is_known": torch.stack([finite(output) for output in outputs.values()]).all(0),
            "outcome": _outcome(adversarial_loss, outputs),
            "raw": raw_statistics(self._labelled, outputs, context.tasks, context.classes, context.model.depth_align),
        }
        if adversarial_loss is not None:
            measured["attackable"] = adversarial_loss.attackable
        if reached is not None:
            measured["reached"] = reached
        arrival = Arrival(measured)
        skips = adversarial_loss is not None and adversarial_loss.skips
        # Nothing else may keep them on the device until the host gets to it.
        pictured = (images, outputs) if self._has_pictures(cell) else None
        return context.host_work.submit(lambda: self._records(cell, arrival.wait(), skips, pictured))

    @cached_property
    def _labelled(self) -> Batch:
        """The batch with what frozen models see in the clean images, whatever the images that are scored."""
        batch = self._batch
        return replace(batch, labels={**batch.labels, **self._context.seen(batch)})

    def _has_pictures(self, cell: Cell) -> bool:
        is_drawn = cell.is_drawn and any(index in self._pictures.panels for index in self._batch.indices)
        return is_drawn or (cell.is_saved and self._pictures.folder is not None)

    def _records(
        self, cell: Cell, measured: Mapping[str, Any], skips: bool, pictured: tuple[Tensor, Outputs] | None
    ) -> Records:
        tables = image_statistics(self._batch, measured["raw"], self._context.tasks, self._context.classes)
        results = []
        for i, result in enumerate(self._realised(measured)):
            if not measured["is_known"][i]:
                results.append(replace(result, error="the model's output is not finite"))
                continue
            results.append(
                replace(
                    result,
                    skipped=skips and not bool(measured["attackable"][i]),
                    outcome={key: int(value[i]) for key, value in measured["outcome"].items()},
                    statistics={task: pack(values) for task, values in tables[i].items()},
                    pngs={} if pictured is None else self._pngs(cell, i, *pictured),
                )
            )
            if pictured is not None and self._pictures.folder is not None and cell.is_saved:
                self._save(self._pictures.folder, cell, i, pictured[0][i])
        return tuple(results)

    def _realised(self, measured: Mapping[str, Any]) -> list[ImageResult]:
        """RMS, largest change and SNR of each perturbed image, and whether a gradient reached it."""
        numbers = zip(*(measured[name].tolist() for name in ("rms", "linf", "snr_db")), strict=True)
        return [
            ImageResult(
                index,
                "",
                rms,
                linf,
                snr_db if math.isfinite(snr_db) else None,
                unchanged=rms == 0,
                reached=_reached(measured, i),
            )
            for i, (index, (rms, linf, snr_db)) in enumerate(zip(self._batch.indices, numbers, strict=True))
        ]

    def _pngs(self, cell: Cell, i: int, images: Tensor, outputs: Outputs) -> dict[str, bytes]:
        is_drawn = cell.is_drawn and self._batch.indices[i] in self._pictures.panels
        return self._draw(i, images[i], outputs, cell.is_clean) if is_drawn else {}

    def _draw(self, i: int, image: Tensor, outputs: Outputs, clean: bool) -> dict[str, bytes]:
        classes, labels = self._context.classes, self._batch.labels
        pictures = {}
        for key, task in self._context.target_model.tasks.items():
            own = task.class_set(classes)
            pictures[f"prediction:{key}"] = task.draw_output(outputs[key], i, image, own)
            if clean:
                pictures[f"label:{key}"] = task.draw_label(labels[key], i, image, own)
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


def _outcome(adversarial_loss: AdversarialLoss | None, outputs: Outputs) -> Mapping[str, Tensor]:
    outcome = adversarial_loss.outcome if adversarial_loss is not None else None
    return {} if outcome is None else outcome(outputs)


def _reached(measured: Mapping[str, Any], i: int) -> bool | None:
    """None without a target or a gradient."""
    is_asked = "reached" in measured and bool(measured["attackable"][i])
    return bool(measured["reached"][i]) if is_asked else None
