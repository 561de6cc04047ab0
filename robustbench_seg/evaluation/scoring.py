"""From the outputs at one epsilon to a record an image: statistics, realised strength, outcome, pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from robustbench_seg.attacks.budgets import GREY
from robustbench_seg.attacks.objectives.base import AdversarialLoss
from robustbench_seg.attacks.target_model import finite
from robustbench_seg.evaluation import panels
from robustbench_seg.evaluation.batch import Batch, measure
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.results.keys import CLEAN, AttackConfiguration
from robustbench_seg.results.records import ImageResult, pack
from robustbench_seg.tasks.base import Outputs


@dataclass(frozen=True)
class Cell:
    """One configuration at one of its epsilons (None: without one)."""

    configuration: AttackConfiguration
    epsilon: float | None

    @property
    def name(self) -> str:
        """For pictures and folders."""
        if self.configuration.attack == CLEAN:
            return CLEAN
        return panels.perturbed_name(
            self.configuration.attack, self.configuration.objective, self.configuration.norm, self.epsilon
        )

    @property
    def is_drawn(self) -> bool:
        """Whether its pictures are kept: the largest epsilon up to 4 grey values, where effects are plain to see."""
        known = [e for e in self.configuration.epsilons if e is not None and e > 0]
        drawn = max((e for e in known if e <= 4), default=min(known, default=None))
        return self.configuration.attack == CLEAN or self.epsilon == drawn


class Scorer:
    """Scores the perturbed images of one batch."""

    def __init__(self, context: WorkerContext, batch: Batch, pictures: Pictures) -> None:
        self._context = context
        self._batch = batch
        self._pictures = pictures

    def score(
        self, cell: Cell, images: Tensor, outputs: Outputs, adversarial_loss: AdversarialLoss | None
    ) -> tuple[ImageResult, ...]:
        """A record an image; `outputs` are those of `images` (N,3,H,W), `adversarial loss` what the attack pursued."""
        context, batch = self._context, self._batch
        tables = measure(batch, outputs, context.tasks, len(context.classes), context.model.median_scaling)
        outcome = (
            {} if adversarial_loss is None or adversarial_loss.outcome is None else adversarial_loss.outcome(outputs)
        )
        counts = {key: value.tolist() for key, value in outcome.items()}
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
                    skipped=adversarial_loss is not None
                    and adversarial_loss.skips
                    and not bool(adversarial_loss.attackable[i]),
                    outcome={key: int(value[i]) for key, value in counts.items()},
                    statistics={task: pack(values) for task, values in tables[i].items()},
                    pngs=self._draw(i, images[i], outputs, cell.name == CLEAN) if drawn else {},
                )
            )
            if self._pictures.folder is not None and cell.name != CLEAN:
                self._save(self._pictures.folder / self._folder(cell.name), i, images[i])
        return tuple(results)

    @cached_property
    def _signal(self) -> list[float]:
        """The mean square of each clean image in grey values."""
        return torch.stack([_power(image) for image in self._batch.images]).tolist()

    def _realised(self, images: Tensor) -> list[ImageResult]:
        """RMS, largest change and SNR of each perturbed image, in float64, one image at a time."""
        deltas = [image.double() - clean.double() for image, clean in zip(images, self._batch.images, strict=True)]
        energies = torch.stack([_power(delta) for delta in deltas]).tolist()
        largest = torch.stack([delta.abs().amax() * GREY for delta in deltas]).tolist()
        return [
            ImageResult(index, "", energy**0.5, peak, _snr_db(signal, energy), unchanged=energy == 0)
            for index, energy, peak, signal in zip(self._batch.indices, energies, largest, self._signal, strict=True)
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

    def _folder(self, cell: str) -> Path:
        context = self._context
        return Path(context.model.name.replace("/", "_"), context.dataset.name.replace("/", "_"), cell)

    def _save(self, folder: Path, i: int, image: Tensor) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self._batch.ids[i].replace('/', '_')}.png").write_bytes(panels.picture(image))


def _power(image: Tensor) -> Tensor:
    """The mean square in grey values, in float64."""
    return (image.double() * GREY).square().mean()


def _snr_db(signal: float, energy: float) -> float | None:
    return None if energy == 0 or signal == 0 else float(10 * torch.log10(torch.tensor(signal / energy).double()))
