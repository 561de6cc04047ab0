from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from robustbench_seg.tasks.instances.masks import SIDE, MaskBasis, crops, fit, paste


def blobs(count: int, seed: int = 0) -> torch.Tensor:
    """Random ellipses as square masks."""
    draw = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))
    grid = (torch.arange(SIDE) + 0.5) / SIDE
    y, x = torch.meshgrid(grid, grid, indexing="ij")
    cx, cy, rx, ry = (draw[:, i, None, None] for i in range(4))
    inside = ((x - 0.3 - 0.4 * cx) / (0.2 + 0.3 * rx)) ** 2 + ((y - 0.3 - 0.4 * cy) / (0.2 + 0.3 * ry)) ** 2 < 1
    return inside.float().flatten(1)


def test_as_many_components_as_samples_lose_nothing():
    samples = blobs(12)
    basis = fit(samples, 11)
    torch.testing.assert_close(basis.decode(basis.encode(samples)), samples, atol=1e-5, rtol=0)


def test_components_are_those_of_the_covariance():
    samples = blobs(300)
    basis = fit(samples, 5)
    values, vectors = torch.linalg.eigh((samples - samples.mean(0)).T.double() @ (samples - samples.mean(0)).double())
    leading = vectors[:, -5:].flip(1).T.float()
    torch.testing.assert_close((basis.components @ leading.T).abs(), torch.eye(5), atol=1e-3, rtol=0)
    torch.testing.assert_close(basis.components @ basis.components.T, torch.eye(5), atol=1e-5, rtol=0)
    assert values[-1] > values[-5]


def test_fewer_samples_than_components_leave_zeros():
    basis = fit(blobs(3), 8)
    assert basis.components[3:].abs().sum() == 0
    assert basis.components[:2].square().sum(1).allclose(torch.ones(2))


def test_a_mask_cut_out_and_pasted_back_is_the_same():
    mask = torch.zeros(1, 60, 80, dtype=torch.bool)
    mask[0, 10:38, 20:48] = blobs(1)[0].view(SIDE, SIDE) > 0
    box = torch.tensor([[20.0, 10.0, 48.0, 38.0]])
    assert torch.equal(paste(crops(mask, box), box, (60, 80)), mask)


def test_pasting_stays_in_the_box_and_in_the_image():
    box = torch.tensor([[-10.0, 5.0, 12.0, 70.0], [3.0, 3.0, 3.0, 9.0]])
    masks = paste(torch.ones(2, SIDE * SIDE), box, (60, 80))
    expected = torch.zeros(60, 80, dtype=torch.bool)
    expected[5:, :12] = True
    assert torch.equal(masks[0], expected)
    assert not masks[1].any(), "a box without an area"


def pasted_on_the_whole_image(squares, boxes, size):
    """Each mask sampled at every pixel of the image."""
    height, width = size
    x1, y1, x2, y2 = boxes.unbind(1)
    u = (torch.arange(width) + 0.5 - x1[:, None]) / (x2 - x1).clamp(min=1e-3)[:, None] * 2 - 1
    v = (torch.arange(height) + 0.5 - y1[:, None]) / (y2 - y1).clamp(min=1e-3)[:, None] * 2 - 1
    grid = torch.stack([u[:, None].expand(-1, height, -1), v[:, :, None].expand(-1, -1, width)], -1)
    options = {"padding_mode": "border", "align_corners": False}
    pasted = F.grid_sample(squares.view(-1, 1, SIDE, SIDE), grid, **options)[:, 0]
    return (pasted >= 0.5) & (grid.abs() <= 1).all(-1)


def random_boxes(count, height, width):
    """Some reach beyond the image, some are narrower than a pixel."""
    g = torch.Generator().manual_seed(0)
    ends = torch.rand(count, 2, 2, generator=g).sort(1).values * torch.tensor([width, height]) * 1.2 - 5
    return ends.flatten(1)


def test_pasting_within_boxes_is_pasting_on_the_whole_image():
    size, squares = (61, 83), torch.rand(40, SIDE * SIDE, generator=torch.Generator().manual_seed(1))
    boxes = random_boxes(40, *size)
    boxes[:5, 2] = boxes[:5, 0] + 0.4
    assert torch.equal(paste(squares, boxes, size), pasted_on_the_whole_image(squares, boxes, size))


class Largest(TorchDispatchMode):
    """The number of bytes of the largest tensor that is made."""

    bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor):
            self.bytes = max(self.bytes, result.nbytes)
        return result


def test_pasting_needs_no_more_memory_than_its_result():
    size = (512, 1024)
    with Largest() as largest:
        pasted = paste(torch.ones(10, SIDE * SIDE), torch.tensor([[100.0, 100.0, 200.0, 180.0]] * 10), size)
    assert largest.bytes == pasted.nbytes == 10 * 512 * 1024


def test_no_instances():
    basis = MaskBasis(torch.zeros(SIDE * SIDE), torch.zeros(4, SIDE * SIDE))
    empty = torch.zeros(0, 4)
    assert crops(torch.zeros(0, 6, 6, dtype=torch.bool), empty).shape == (0, SIDE * SIDE)
    assert paste(basis.decode(torch.zeros(0, 4)), empty, (6, 6)).shape == (0, 6, 6)


def test_equal_samples_span_nothing():
    assert fit(torch.ones(5, SIDE * SIDE), 3).components.abs().sum() == 0
