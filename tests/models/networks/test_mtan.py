from __future__ import annotations

import torch
import torch.nn.functional as F

from robustbench_seg.models.networks.mtan import StageAttention
from tests.models.networks.nano import randomised


def test_open_masks_leave_the_features():
    attention = StageAttention((4, 8)).eval()
    for mask in attention:
        torch.nn.init.constant_(mask[2].bias, 100.0)
    features = [torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4)]
    refine = torch.nn.ModuleList([torch.nn.Conv2d(4, 8, 1)])
    for kept, x in zip(attention(features, refine), features, strict=True):
        torch.testing.assert_close(kept, x)


def test_attention_hands_on_what_the_task_kept():
    attention, refine = randomised(StageAttention((4, 8))), torch.nn.ModuleList([torch.nn.Conv2d(4, 8, 1)])
    fine, coarse = torch.randn(1, 4, 8, 8), torch.randn(1, 8, 4, 4)
    first = attention[0](fine) * fine
    handed = F.max_pool2d(refine[0](first), 2)
    second = attention[1](torch.cat([coarse, handed], 1)) * coarse
    for kept, expected in zip(attention([fine, coarse], refine), [first, second], strict=True):
        torch.testing.assert_close(kept, expected)
