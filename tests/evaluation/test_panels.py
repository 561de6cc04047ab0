from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image

from robustbench_seg.evaluation.panels import amplified, picture, png


def pixels(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)


def test_pictures_are_what_was_drawn():
    image = torch.rand(3, 33, 70)
    assert pixels(picture(image)).shape == pixels(amplified(image - 0.5)).shape == (33, 70, 3)
    drawn = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert np.array_equal(pixels(png(drawn)), drawn)


def test_a_perturbation_is_shown_around_grey_at_any_size():
    delta = torch.randn(3, 8, 9, generator=torch.Generator().manual_seed(0))
    assert np.array_equal(pixels(amplified(delta * 1e-4)), pixels(amplified(delta * 1e-2)))
    assert (pixels(amplified(torch.zeros(3, 8, 9))) == 128).all()


def test_panels_hold_pictures_of_two_images(run_in, tmp_path):
    panels = run_in(tmp_path / "run", "toy-multi").panels()
    assert {panel.image for panel in panels} == {"toy-00", "toy-06"}
    clean = next(panel for panel in panels if not panel.attack)
    assert set(clean.pngs) == {
        "image", "label:semantic", "label:depth", "prediction:semantic", "prediction:depth",
    }  # fmt: skip
    attacked = next(panel for panel in panels if panel.attack == "pgd")
    assert {"perturbed", "perturbation"} <= set(attacked.pngs)
