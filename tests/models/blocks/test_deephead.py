from __future__ import annotations

import torch
import torch.nn.functional as F

from robustbench_seg.models.blocks.deephead import Fuse, coarse, finished
from robustbench_seg.tasks.dense import dense_tasks
from tests.models.networks.nano import randomised


def test_fusing_is_a_convolution_of_the_concatenation():
    fuse = randomised(Fuse((3, 5), 4))
    fine, coarse = torch.randn(2, 3, 8, 12), torch.randn(2, 5, 4, 6)
    up = F.interpolate(coarse, size=(8, 12), mode="bilinear", align_corners=False)
    kernel = torch.cat([reduce.weight for reduce in fuse.reduce], 1)
    expected = fuse.norm(F.conv2d(torch.cat([fine, up], 1), kernel)).relu()
    torch.testing.assert_close(fuse((fine, coarse)), expected)


def test_outputs_are_cropped_from_the_padded_image():
    # An image of 40x70 is padded to 64x96, of which a map at /32 has 2x3 cells.
    raw, tasks = {"edges": torch.arange(6.0).view(1, 1, 2, 3)}, dense_tasks()
    images = torch.zeros(1, 3, 40, 70)
    upsampled = F.interpolate(raw["edges"], size=(64, 96), mode="bilinear", align_corners=False)
    torch.testing.assert_close(finished(tasks, raw, images)["edges"], upsampled[:, 0, :40, :70])
    # 40 rows are one cell and a quarter, 20 of 70 columns less than one; a cell begun stays.
    assert coarse(tasks, raw, images[..., :20])["edges"].shape == (1, 2, 1)
    assert coarse(tasks, raw, images)["edges"].tolist() == [[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]]
