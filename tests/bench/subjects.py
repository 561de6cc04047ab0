"""The models and data sets that are measured: of the catalogue, or a U-net on a ResNet trained for some seconds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from robustbench_seg.classes import VOID
from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.models.adapters.checkpoint import load_checkpoint
from tests.bench.benchmark import NotMeasuredError
from tests.bench.process import ROOT

HERE = Path(__file__).parent
ARRAYS = HERE / "arrays.py"


@dataclass(frozen=True)
class Subject:
    """A model by how the command line and the library name it."""

    name: str
    spec: ModelSpec

    @property
    def arguments(self) -> list[str]:
        """`-m NAME` and the options of a model of one's own."""
        own = self.spec.own or {}
        return ["-m", self.spec.name, *(text for key, value in own.items() for text in (f"--{key}", str(value)))]


def catalogue(name: str) -> Subject:
    """A shipped model."""
    return Subject(name, ModelSpec(name))


def camvid() -> str:
    """`camvid:ROOT` where its frames are here: in data/camvid or where ROBUSTSEG_CAMVID says."""
    root = Path(os.environ.get("ROBUSTSEG_CAMVID", ROOT / "data" / "camvid"))
    if not root.is_dir():
        raise NotMeasuredError("CamVid is not in data/camvid (ROBUSTSEG_CAMVID)")
    return f"camvid:{root}"


@dataclass(frozen=True)
class Training:
    """A training that is long enough for a prediction worth attacking, and no longer."""

    steps: int = 60
    batch: int = 4
    frames: int = 48
    crop: tuple[int, int] = (160, 224)
    learning_rate: float = 2e-3


def unet(dataset: Dataset, folder: Path, training: Training, device: str = "cpu", encoder: str = "resnet18") -> Subject:
    """The U-net on an encoder, trained on the first frames of a data set; its weights go into `folder`."""
    factory = f"{HERE / 'unets.py'}:{encoder}_{len(dataset.classes)}"
    weights = folder / f"{encoder}.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = _trained(factory, dataset, training, device)
    save_file(state, weights)
    own: dict[str, Any] = {"weights": str(weights), "classes": dataset.classes.name}
    return Subject(f"{encoder}-unet", ModelSpec(factory, own))


def _trained(factory: str, dataset: Dataset, training: Training, device: str) -> dict[str, Tensor]:
    module = load_checkpoint(factory, classes=dataset.classes).module.train().requires_grad_(True).to(device)
    optimiser = torch.optim.AdamW(module.parameters(), training.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.learning_rate, training.steps + 1)
    for images, labels in _crops(dataset, training):
        logits = module(images.to(device))["semantic"]
        loss = F.cross_entropy(logits, labels.to(device), ignore_index=VOID)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
    net = module.get_submodule("net")
    return {key: value.contiguous().cpu() for key, value in net.state_dict().items()}


def _crops(dataset: Dataset, training: Training) -> Iterator[tuple[Tensor, Tensor]]:
    """A batch a step: images (N,3,h,w) in [0,1] and labels (N,h,w)."""
    rng = np.random.default_rng(0)
    samples = [dataset[i] for i in range(min(training.frames, len(dataset)))]
    height, width = (min(pair) for pair in zip(training.crop, samples[0].image.shape, strict=False))
    for _ in range(training.steps):
        images, labels = [], []
        for index in rng.integers(0, len(samples), training.batch):
            image, label = samples[index].image, np.asarray(samples[index].labels["semantic"])
            top, left = (rng.integers(0, n - m + 1) for n, m in zip(label.shape, (height, width), strict=True))
            images.append(image[top : top + height, left : left + width])
            labels.append(label[top : top + height, left : left + width])
        x = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255
        yield x, torch.from_numpy(np.stack(labels).astype(np.int64))


def reduced(dataset: Dataset, count: int, by: int, folder: Path) -> str:
    """`folder:FOLDER` with the first frames of a data set, every side divided by `by`."""
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for index in range(min(count, len(dataset))):
        sample = dataset[index]
        name = f"{sample.id.replace('/', '_')}.png"
        height, width = (side // by * by for side in sample.image.shape[:2])
        labels = np.asarray(sample.labels["semantic"], np.uint8)[:height, :width]
        Image.fromarray(sample.image[:height, :width]).reduce(by).save(folder / "images" / name)
        Image.fromarray(labels[by // 2 :: by, by // 2 :: by]).save(folder / "labels" / name)
    (folder / "dataset.toml").write_text(
        f'name = "{dataset.name}"\nclasses = "{dataset.classes.name}"\n', encoding="utf-8"
    )
    return f"folder:{folder}"


def opened(text: str, split: str | None = None) -> Dataset:
    """A data set by what `-d` takes."""
    return DataSpec.parse(text, split).load()
