"""Outputs and labels of three images by key, made up: what is tested for every task is tested with these."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from tests.tasks.made_instances import Found, Known, labelled, predicted


class Made(NamedTuple):
    """An output and a label of three images in four classes; every image has a label and a loss above 0."""

    output: Any
    label: Any


BOXES = ((8, 8, 40, 40), (48, 16, 88, 56), (8, 32, 32, 56), (56, 8, 88, 24))
SCENES = [[(box, (i + shift) % 4) for i, box in enumerate(BOXES)] for shift in range(3)]
VALUES = torch.randn(3, 4, 5, 6, generator=torch.Generator().manual_seed(0))
COUNT = torch.arange(90).view(3, 5, 6)

MADE = {
    "semantic": Made(VALUES, COUNT % 4),
    "depth": Made(3 + VALUES.abs().sum(1), 4.0 + COUNT % 7),
    "normals": Made(VALUES[:, 1:], F.normalize(VALUES[:, 1:].flip(1), dim=1)),
    "edges": Made(VALUES[:, 0], COUNT % 3 // 2),
    "instances": Made(
        predicted([[Found(box, label, depth=9.0) for box, label in scene] for scene in SCENES]),
        labelled([[Known(box, label) for box, label in scene] for scene in SCENES]),
    ),
}
OUTPUTS = {key: made.output for key, made in MADE.items()}
LABELS = {key: made.label for key, made in MADE.items()}


def made_for(key: str) -> Made:
    """The output and label of that key; AssertionError with what to add where there is none."""
    assert key in MADE, f"add an output and a label of '{key}' to MADE in tests/tasks/made.py"
    return MADE[key]
