"""Losses of depth that attacks ascend, against their definitions written out."""

from __future__ import annotations

import math

import pytest
import torch

from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.depth_losses import BERHU_SHARE, LOSSES

OUTPUT = torch.tensor([[[10.0, 20.0, 10.0], [5.0, 40.0, 30.0]]])
LABEL = torch.tensor([[[8.0, 30.0, 95.0], [5.0, 0.0, 80.0]]])
UNLABELLED = [(0, 2), (1, 1), (1, 2)]
ERRORS = [2.0, 10.0, 0.0]
C = BERHU_SHARE * 10
RATIOS = [0.8, 2 / 3, 1.0]

DEFINITIONS = {
    "l1": sum(ERRORS) / 3,
    "berhu": sum(e if e <= C else (e * e + C * C) / (2 * C) for e in ERRORS) / 3,
    "log": sum(-math.log(r) for r in RATIOS) / 3,
    "cosine": sum(-r * math.log(r) for r in RATIOS) / 3,
}


@pytest.mark.parametrize("name", LOSSES)
def test_losses_are_their_definitions(name):
    task = Depth()
    assert float(task.ascended(name, 0.0)(OUTPUT, LABEL)) == pytest.approx(DEFINITIONS[name], rel=1e-5)


@pytest.mark.parametrize("name", LOSSES)
def test_pixels_without_a_label_are_inert(name):
    output = OUTPUT.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(Depth().ascended(name, 0.0)(output, LABEL).sum(), output)
    assert gradient.isfinite().all()
    changed = OUTPUT.clone()
    for y, x in UNLABELLED:
        assert gradient[0, y, x] == 0
        changed[0, y, x] = 0.0
    assert torch.equal(Depth().ascended(name, 0.0)(changed, LABEL), Depth().ascended(name, 0.0)(OUTPUT, LABEL))


def test_an_unknown_loss_is_the_tasks_own():
    assert torch.equal(Depth().ascended("js", 0.0)(OUTPUT, LABEL), Depth().loss(OUTPUT, LABEL))
