"""The self-supervised loss against closed forms and torchmetrics."""

import math

import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from robustbench_seg.training.video.photometric import BETA, Target, depth_loss, reprojection, smoothness

C1 = 0.01**2


def _noise(seed, *shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_an_image_is_like_itself():
    image = _noise(0, 2, 3, 8, 10)
    torch.testing.assert_close(Target(image).ssim(image), torch.ones_like(image))
    assert Target(image).error(image).abs().max() < 1e-6


def test_flat_images():
    a, b = 0.2, 0.7
    first, second = torch.full((1, 3, 6, 6), a), torch.full((1, 3, 6, 6), b)
    ssim = (2 * a * b + C1) / (a * a + b * b + C1)
    torch.testing.assert_close(Target(first).ssim(second), torch.full((1, 3, 6, 6), ssim), atol=1e-4, rtol=0)
    expected = 0.85 * (1 - ssim) / 2 + 0.15 * 0.5
    torch.testing.assert_close(Target(first).error(second), torch.full((1, 6, 6), expected), atol=1e-4, rtol=0)


def test_ssim_is_torchmetrics():
    first, second = _noise(1, 2, 3, 12, 14), _noise(2, 2, 3, 12, 14)
    _, theirs = structural_similarity_index_measure(
        second, first, gaussian_kernel=False, kernel_size=3, data_range=1.0, return_full_image=True
    )
    ours = Target(first).ssim(second)
    torch.testing.assert_close(ours[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2], atol=1e-4, rtol=1e-4)


def test_the_least_error_counts_and_a_better_still_image_takes_the_gradient():
    target = Target(_noise(3, 1, 3, 8, 8))
    near = (target.image + 0.02).requires_grad_()
    far = (target.image + 0.3).requires_grad_()
    unwarped = torch.full((1, 8, 8), 9.0)
    unwarped[:, :, :4] = 0.0
    loss = reprojection(target, [far, near], unwarped)
    expected = target.error(near.detach())
    expected[:, :, :4] = 0
    torch.testing.assert_close(loss, expected.mean())
    loss.backward()
    assert far.grad is None or far.grad.abs().max() == 0
    assert near.grad[..., 5:].abs().min() > 0
    assert near.grad[..., :3].abs().max() == 0


def test_smoothness_of_a_ramp():
    ramp = torch.arange(1.0, 6).expand(1, 1, 4, 5)
    flat = torch.full((1, 3, 4, 5), 0.5)
    # Steps of 1 on a mean of 3 across, none down.
    assert smoothness(ramp, flat).item() == pytest.approx(1 / 3, rel=1e-5)
    assert smoothness(7 * ramp, flat).item() == pytest.approx(1 / 3, rel=1e-5)
    assert smoothness(torch.full((1, 1, 4, 5), 2.0), _noise(0, 1, 3, 4, 5)).item() == 0
    # An image that steps by 0.1 a pixel across lets a share of exp(-0.1) through.
    edges = (torch.arange(5.0) / 10).expand(1, 3, 4, 5)
    assert smoothness(ramp, edges).item() == pytest.approx(math.exp(-0.1) / 3, rel=1e-5)


def test_smoothness_of_two_images_is_each_ones_own():
    maps = torch.stack([torch.arange(1.0, 6).expand(1, 4, 5), torch.full((1, 4, 5), 1e3)])
    assert smoothness(maps, torch.zeros(2, 3, 4, 5)).item() == pytest.approx(1 / 6, rel=1e-5)


def test_depth_loss_averages_the_scales():
    """A neighbour equal to the target: no photometric error, so that only smoothness is left."""
    target = torch.full((1, 3, 8, 16), 0.5)
    ramps = [torch.linspace(1, 2, 16 // 2**s).expand(1, 1, 8 // 2**s, -1) for s in range(3)]
    intrinsics = torch.tensor([[[10.0, 0, 7.5], [0, 10.0, 3.5], [0, 0, 1]]])
    still = torch.eye(4)[None]
    loss = depth_loss(ramps, target, (target, target), (still, still), intrinsics)
    steps = [(1 / (16 // 2**s - 1)) / 1.5 for s in range(3)]
    expected = sum(BETA / 2**s * step for s, step in enumerate(steps)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-3)
