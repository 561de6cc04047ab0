from __future__ import annotations

from pathlib import Path

import pytest
import torch

from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.catalogue.card import (
    SCHEMA,
    WEIGHTS,
    ArchitectureCard,
    Card,
    EvaluationCard,
    TrainingCard,
    write_card,
)
from robustbench_seg.models.catalogue.weights import save_weights
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build

NANO = {
    "encoder": "resnet18",
    "encoder_args": {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1], "stem_type": "deep", "stem_width": 8},
    "widths": [16, 16, 8, 8],
}


@pytest.fixture
def nano() -> dict[str, object]:
    """Parameters of a tiny network."""
    return dict(NANO)


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """A catalogue folder with one tiny two-task model in it; returns the model's folder."""
    torch.manual_seed(0)
    module = build("klingner", NANO, NetworkRequest(("semantic", "depth"), 11, PRESETS["half"]), "test")
    folder = tmp_path / "tiny"
    folder.mkdir()
    card = Card(
        schema=SCHEMA,
        name="tiny",
        summary='tiny "two-task" net',
        licence="Apache-2.0",
        tasks=("semantic", "depth"),
        parameter_count=sum(p.numel() for p in module.parameters()),
        sha256=save_weights(module, folder / WEIGHTS),
        architecture=ArchitectureCard("klingner", "half", NANO),
        classes={"classes": "camvid11"},
        training=TrainingCard("camvid", "train", "CC BY-NC 4.0", "recipe.toml", "last step", "", 1, 2, 0),
        evaluation=EvaluationCard("camvid", "val", 101, (360, 480)),
        metrics={"semantic": {"miou": 0.5}, "depth": {"rmse": 4.0, "delta1": 1.0}},
    )
    write_card(card, folder)
    return folder
