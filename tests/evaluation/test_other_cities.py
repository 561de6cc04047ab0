"""A network with Cityscapes' 19 classes on data sets that share or map them: each pixel's class is painted in it."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import robustbench_seg
from robustbench_seg.classes import CITYSCAPES19, MAPILLARY65
from robustbench_seg.protocol import AttackPlan, Protocol

NOISE = Protocol("noise", (AttackPlan("gaussian", (1.0,)),))
STEP, BLOCK = 13, 8
WRONG = 18
"""The class that is painted where a label is void, which no label has."""


class Reader(nn.Module):
    """Says of each pixel the class that is painted in it."""

    def forward(self, x):
        classes = torch.arange(19, device=x.device).view(1, -1, 1, 1)
        return -((x.mean(1, keepdim=True) * 255 / STEP - classes) ** 2)


def blocks(values):
    return np.kron(np.asarray([values]), np.ones((BLOCK, BLOCK), int)).astype(np.uint8)


def place(image, label, ids, painted):
    for path in (image, label):
        path.parent.mkdir(parents=True)
    Image.fromarray(np.repeat(blocks(painted)[..., None] * STEP, 3, 2)).save(image, quality=95)
    Image.fromarray(blocks(ids)).save(label)


def acdc(root):
    for condition in ("fog", "night", "rain", "snow"):
        name = f"{condition}/val/GOPR0001/GOPR0001_frame_000001"
        label = root / "gt" / f"{name}_gt_labelTrainIds.png"
        place(root / "rgb_anon" / f"{name}_rgb_anon.png", label, [*range(18), 255], [*range(18), WRONG])


def bdd100k(root):
    label = root / "labels" / "sem_seg" / "masks" / "val" / "a.png"
    place(root / "images" / "10k" / "val" / "a.jpg", label, [*range(18), 255], [*range(18), WRONG])


def mapillary(root):
    names = [*MAPILLARY65.names, "Unlabeled"]
    labels = [{"readable": name, "evaluate": name != names[-1], "color": [0, 0, 0]} for name in names]
    root.mkdir()
    (root / "config.json").write_text(json.dumps({"labels": labels}))
    pairs = {"Lane Marking - General": "road", "Curb": "sidewalk", "Utility Pole": "pole", "Other Rider": "rider"}
    pairs |= {"On Rails": "train", "Car": "car", "Traffic Sign (Front)": "traffic sign"}
    ids = [names.index(name) for name in (*pairs, "Bird", "Ego Vehicle", "Unlabeled")]
    painted = [CITYSCAPES19.names.index(name) for name in pairs.values()] + [WRONG] * 3
    place(root / "validation" / "images" / "a.jpg", root / "validation" / "labels" / "a.png", ids, painted)


@pytest.mark.parametrize("made", [acdc, bdd100k, mapillary])
def test_nineteen_classes(tmp_path, made):
    made(tmp_path / "data")
    run = robustbench_seg.evaluate(Reader(), f"{made.__name__}:{tmp_path / 'data'}", NOISE, out=tmp_path / "run")
    clean = next(row for row in run.rows if row.attack == "clean" and row.metric == "miou")
    assert clean.value == 1
