from __future__ import annotations

import torch
import torch.nn.functional as F

from robustbench_seg.models.blocks.deephead import Fuse, coarse, finished
from tests.models.networks.nano import randomised


def test_fusing_is_a_convolution_of_the_concatenation():
    fuse = randomised(Fuse((3, 5), 4))
    fine, coarse = torch.randn(2, 3, 8, 12), torch.randn(2, 5, 4, 6)
    up = F.interpolate(coarse, size=(8, 12), mode="bilinear", align_corners=False)
    kernel = torch.cat([reduce.weight for reduce in fuse.reduce], 1)
    expected = fuse.norm(F.conv2d(torch.cat([fine, up], 1), kernel)).relu()
    torch.testing.assert_close(fuse((fine, coarse)), expected)


def test_outputs_are_cropped_from_the_padded_image():
    raw = {"edges": torch.arange(8.0).view(1, 1, 2, 4)}
    assert finished(raw, (2, 4), (1, 3))["edges"].tolist() == [[[0.0, 1.0, 2.0]]]
    # At half the image's size, five columns are two and a half cells; the half one stays.
    assert coarse(raw, (4, 8), (2, 5))["edges"].tolist() == [[[0.0, 1.0, 2.0]]]
