"""The klingner2020 grid as a user would write it with torchattacks and torchmetrics, without robustseg's engine.

python tests/bench/baseline_loop.py MODEL DATASET LIMIT OUT.csv [WEIGHTS CLASSES]
"""

from __future__ import annotations

import csv
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torchattacks
from torch import Tensor, nn
from torchmetrics.classification import MulticlassJaccardIndex

from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec

EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
BATCH = 8
VOID, IGNORED = 255, -100
Attack = Callable[[Tensor, Tensor], Tensor]


class Logits(nn.Module):
    """torchattacks takes a module that returns logits."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        # torchattacks puts back the mode of what it is given, and with it that of every BatchNorm inside.
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)["semantic"]
        return logits


def batches(dataset: Dataset, limit: int, device: str, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (N,3,H,W) in [0,1] and labels (N,H,W), void as nn.CrossEntropyLoss ignores it."""
    for first in range(0, limit, size):
        samples = [dataset[i] for i in range(first, min(first + size, limit))]
        images = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2).float() / 255
        labels = torch.from_numpy(np.stack([np.asarray(sample.labels["semantic"]) for sample in samples])).long()
        yield images.to(device), torch.where(labels == VOID, IGNORED, labels).to(device)


def gaussian(epsilon: float) -> Attack:
    """White noise of RMS ε (before clipping)."""
    return lambda images, labels: (images + torch.randn_like(images) * epsilon / 255).clamp(0, 1)


def salt_and_pepper(epsilon: float) -> Attack:
    """Black and white pixels, as many as give an RMS of ε on average."""

    def attack(images: Tensor, labels: Tensor) -> Tensor:
        extremes = torch.randint(0, 2, images[:, :1].shape, device=images.device).float().expand_as(images)
        energy = (extremes - images).square().mean((1, 2, 3), keepdim=True)
        chosen = torch.rand(images[:, :1].shape, device=images.device) < (epsilon / 255) ** 2 / energy
        return torch.where(chosen, extremes, images)

    return attack


def grid(model: nn.Module) -> Iterator[tuple[str, float, Attack]]:
    """(attack, ε, function of images and labels) of every cell."""
    yield "clean", 0.0, lambda images, labels: images
    for epsilon in EPSILONS:
        steps = max(1, math.ceil(min(epsilon + 4, 1.25 * epsilon)))
        pgd = torchattacks.PGD(model, eps=epsilon / 255, alpha=1 / 255, steps=steps, random_start=False)
        yield "gaussian", epsilon, gaussian(epsilon)
        yield "salt_and_pepper", epsilon, salt_and_pepper(epsilon)
        yield "fgsm", epsilon, torchattacks.FGSM(model, eps=epsilon / 255)
        yield "pgd", epsilon, pgd


def evaluate(
    model: nn.Module, dataset: Dataset, limit: int, device: str, batch: int = BATCH
) -> list[tuple[str, float, float]]:
    """(attack, ε, mIoU) of every cell; mIoU is the mean over the classes in the labels."""
    cells = list(grid(model))
    classes = len(dataset.classes)
    metrics = [MulticlassJaccardIndex(classes, average="none", ignore_index=IGNORED).to(device) for _ in cells]
    present = torch.zeros(classes, dtype=torch.bool, device=device)
    for images, labels in batches(dataset, limit, device, batch):
        present[torch.unique(labels[labels != IGNORED])] = True
        for (_, _, attack), metric in zip(cells, metrics, strict=True):
            perturbed = attack(images, labels)
            with torch.no_grad():
                metric.update(model(perturbed).argmax(1), labels)
    ious = [metric.compute()[present].mean().item() for metric in metrics]
    return [(attack, epsilon, iou) for (attack, epsilon, _), iou in zip(cells, ious, strict=True)]


def main(name: str, data: str, limit: str, out: str, weights: str = "", classes: str = "") -> None:
    """Load, evaluate, write a table. Weights lie as PyTorch lays them, whatever the catalogue prefers."""
    own = {"weights": weights, "classes": classes} if weights else None
    net = ModelSpec(name, own).load().module.to(memory_format=torch.contiguous_format)
    dataset = DataSpec.parse(data).load()
    rows = evaluate(Logits(net), dataset, min(int(limit), len(dataset)), "cpu")
    with Path(out).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("attack", "epsilon", "miou"))
        writer.writerows(rows)


if __name__ == "__main__":
    main(*sys.argv[1:])
