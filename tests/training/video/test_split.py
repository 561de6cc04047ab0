"""Klingner 2020, eq. 5: features pass as they are, gradients are scaled on the way back."""

import pytest
import torch

from robustbench_seg.training.video.split import scale_gradient


@pytest.mark.parametrize("factor", [0.0, 0.1, 1.0])
def test_forward_is_the_identity_and_backward_is_scaled(factor):
    x = torch.randn(2, 3, requires_grad=True)
    (scaled,) = scale_gradient([x], factor)
    assert torch.equal(scaled, x)
    weights = torch.randn(2, 3)
    (scaled * weights).sum().backward()
    assert torch.equal(x.grad, factor * weights)


def test_total_gradient_is_the_weighted_sum():
    x = torch.randn(5, requires_grad=True)
    (a,), (b,) = scale_gradient([x], 0.3), scale_gradient([x], 0.7)
    (a.square().sum() + (4 * b).sum()).backward()
    torch.testing.assert_close(x.grad, 0.3 * 2 * x.detach() + 0.7 * 4)
