"""Pixel-adaptive convolution against a double loop, and where it must be an ordinary one."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.graph import saved_tensors_hooks

from robustbench_seg.models.blocks.adaptive import AdaptiveConv2d, Guidance
from robustbench_seg.models.blocks.udecoder import ConvELU

MODES = pytest.mark.parametrize("mode", ["zeros", "reflect"])


def made(mode="zeros", kernel=3, inputs=3, outputs=2, channels=4, size=(4, 5), dtype=torch.float64):
    """A convolution with random weights, a map of two images and guidance for it."""
    torch.manual_seed(0)
    convolution = AdaptiveConv2d(inputs, outputs, kernel, mode).to(dtype)
    x, features = torch.randn(2, inputs, *size, dtype=dtype), torch.randn(2, channels, *size, dtype=dtype)
    return convolution, x, Guidance(features, torch.rand(outputs, dtype=dtype) + 1)


def mirrored(place, length):
    """The pixel that a reflecting border shows at a place beside the map."""
    return length - 1 - abs(length - 1 - abs(place))


def by_loops(convolution, x, guidance, mode):
    """Equation 4 pixel by pixel."""
    result = torch.empty(len(x), convolution.out_channels, *x.shape[-2:], dtype=x.dtype)
    reach, (height, width) = convolution.kernel_size[0] // 2, x.shape[-2:]
    for n, o, row, column in itertools.product(*map(range, result.shape)):
        own, total = guidance.features[n, :, row, column], float(convolution.bias[o])
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                there = row + dy, column + dx
                if mode == "reflect":
                    there = mirrored(there[0], height), mirrored(there[1], width)
                elif not (0 <= there[0] < height and 0 <= there[1] < width):
                    continue
                other = guidance.features[n, :, there[0], there[1]]
                weight = math.exp(-0.5 * float((own - other).square().sum()) / float(guidance.sigma[o]) ** 2)
                tap = convolution.weight[o, :, dy + reach, dx + reach]
                total += weight * float(tap @ x[n, :, there[0], there[1]])
        result[n, o, row, column] = total
    return result


@MODES
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_it_is_the_double_loop_borders_included(mode, kernel):
    convolution, x, guidance = made(mode, kernel)
    with torch.no_grad():
        expected = by_loops(convolution, x, guidance, mode)
        torch.testing.assert_close(convolution(x, guidance), expected, rtol=1e-12, atol=1e-12)
        if kernel > 1:
            assert (convolution(x) - expected).abs().max() > 0.1


@MODES
def test_gradients(mode):
    convolution, x, guidance = made(mode, inputs=2, channels=2, size=(3, 2))
    leaves = [t.detach().requires_grad_() for t in (x, *guidance, convolution.weight, convolution.bias)]

    def function(x, features, sigma, weight, bias):
        values = {"weight": weight, "bias": bias}
        return torch.func.functional_call(convolution, values, (x, Guidance(features, sigma)))

    assert torch.autograd.gradcheck(function, leaves)


@pytest.mark.parametrize("kept", [("x",), ("features",), ("weight",)])
def test_a_gradient_that_is_asked_for_alone_is_the_same(kept):
    convolution, x, guidance = made()
    leaves = {"x": x, "features": guidance.features, "weight": convolution.weight}
    for leaf in leaves.values():
        leaf.requires_grad_()
    whole = torch.autograd.grad(convolution(x, guidance).square().sum(), list(leaves.values()))
    for name, leaf in leaves.items():
        leaf.requires_grad_(name in kept)
    convolution.bias.requires_grad_(False)
    (alone,) = torch.autograd.grad(convolution(x, guidance).square().sum(), [leaves[name] for name in kept])
    assert torch.equal(alone, whole[list(leaves).index(kept[0])])


@MODES
def test_without_guidance_it_is_an_ordinary_convolution_and_so_it_is_with_the_same_features_everywhere(mode):
    convolution, x, guidance = made(mode)
    ordinary = nn.Conv2d(3, 2, 3, padding=1, padding_mode=mode).double()
    ordinary.load_state_dict(convolution.state_dict())
    assert torch.equal(convolution(x), ordinary(x))
    # Beside the map of zeros there is nothing to weigh.
    alike = Guidance(torch.ones_like(guidance.features), guidance.sigma)
    torch.testing.assert_close(convolution(x, alike), ordinary(x), rtol=1e-13, atol=1e-13)
    wide = Guidance(guidance.features, torch.full_like(guidance.sigma, 1e9))
    torch.testing.assert_close(convolution(x, wide), ordinary(x), rtol=1e-13, atol=1e-13)


def test_it_starts_with_the_weights_of_an_ordinary_one():
    torch.manual_seed(0)
    adaptive = AdaptiveConv2d(3, 2, 3)
    torch.manual_seed(0)
    ordinary = nn.Conv2d(3, 2, 3, padding=1)
    assert all(torch.equal(value, ordinary.state_dict()[key]) for key, value in adaptive.state_dict().items())


def test_a_narrow_kernel_leaves_the_pixel_itself():
    convolution, x, guidance = made()
    narrow = Guidance(guidance.features, torch.full_like(guidance.sigma, 1e-3))
    centre = F.conv2d(x, convolution.weight[..., 1:2, 1:2], convolution.bias)
    torch.testing.assert_close(convolution(x, narrow), centre)


def test_coarser_features_are_brought_to_the_maps_size():
    convolution, x, guidance = made(size=(8, 6))
    small = torch.randn(2, 4, 4, 3, dtype=torch.float64)
    large = F.interpolate(small, (8, 6), mode="bilinear")
    assert torch.equal(convolution(x, Guidance(small, guidance.sigma)), convolution(x, Guidance(large, guidance.sigma)))


def test_what_is_kept_for_the_gradient_does_not_grow_with_the_kernel():
    """The padded maps themselves; nine maps of the input would be 9 x 64 channels."""
    convolution, x, guidance = made(inputs=64, outputs=64, channels=4, size=(16, 16), dtype=torch.float32)
    kept = {}

    def seen(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(seen, lambda tensor: tensor):
        convolution(x, guidance).sum().backward()
    weights = convolution.weight.untyped_storage().nbytes()
    assert sum(kept.values()) - weights < 1.1 * 4 * 2 * (64 + 4) * 18 * 18


@pytest.mark.parametrize("mode", ["zeros", "reflect"])
def test_autocast_is_half_precision_to_its_rounding(mode):
    convolution, x, guidance = made(mode, inputs=16, outputs=8, size=(9, 7), dtype=torch.float32)
    leaves = [x.requires_grad_(), guidance.features.requires_grad_(), guidance.sigma.requires_grad_()]
    leaves.append(convolution.weight)

    def outcome():
        result = convolution(x, guidance)
        return result, torch.autograd.grad(result.float().square().sum(), leaves)

    whole, gradients = outcome()
    with torch.autocast("cpu", torch.bfloat16):
        half, others = outcome()
    assert half.dtype == torch.bfloat16
    assert (half.float() - whole).abs().max() < 0.02 * whole.abs().max()
    for mine, other in zip(gradients, others, strict=True):
        assert other.dtype == torch.float32
        assert (mine - other).abs().max() < 0.03 * mine.abs().max()


def test_channels_last_changes_nothing():
    convolution, x, guidance = made(inputs=16, outputs=8, size=(9, 7), dtype=torch.float32)
    last = {"memory_format": torch.channels_last}
    expected = convolution(x, guidance)
    convolution.to(**last)
    result = convolution(x.to(**last), Guidance(guidance.features.to(**last), guidance.sigma))
    assert result.is_contiguous(**last)
    torch.testing.assert_close(result, expected)


@pytest.mark.slow
def test_compiled_it_is_the_same():
    unit, x, guidance = ConvELU(3, 2), *made(dtype=torch.float32)[1:]
    leaves = [x.requires_grad_(), guidance.features.requires_grad_(), guidance.sigma.requires_grad_(), unit[0].weight]

    def outcome(function):
        result = function(x, guidance)
        return [result, *torch.autograd.grad(result.square().sum(), leaves)]

    for mine, other in zip(
        outcome(unit), outcome(torch.compile(unit, fullgraph=True, backend="aot_eager")), strict=True
    ):
        torch.testing.assert_close(mine, other)
