import pytest
import torch
from torch import nn

from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.models.adapters.adapter import Adapter, InputSpec
from robustbench_seg.models.adapters.outputs import OutputSpec
from robustbench_seg.models.adapters.sizes import (
    AnySize,
    InputSize,
    PadTo,
    advice,
    least_multiple,
    rules_that_run,
    size_rule,
)

THREE = ClassSet("three", ("a", "b", "c"), ((0, 0, 0),) * 3)
SEMANTIC = [OutputSpec("semantic")]


class Takes(nn.Module):
    """Gives its input at every second pixel, from the first; refuses sizes that `takes` does not."""

    def __init__(self, takes):
        super().__init__()
        self.takes = takes

    def forward(self, x):
        self.seen = x
        if not self.takes(*x.shape[-2:]):
            raise RuntimeError("Sizes of tensors must match")
        return nn.functional.avg_pool2d(x, 2)


def multiples(n):
    return Takes(lambda height, width: height % n == 0 and width % n == 0)


def only(*size):
    return Takes(lambda *given: given == size)


def adapted(net, size):
    return Adapter(net, InputSpec("none", size=size), SEMANTIC, [THREE])


def test_padding_is_the_edge_and_is_cropped():
    net, images = multiples(8), torch.rand(2, 3, 12, 21)
    output = adapted(net, PadTo(8))(images)["semantic"]
    assert net.seen.shape == (2, 3, 16, 24)
    assert torch.equal(net.seen[..., :12, :21], images)
    assert torch.equal(net.seen[..., 12:, :21], images[..., -1:, :].expand(2, 3, 4, 21))
    assert torch.equal(net.seen[..., :12, 21:], images[..., -1:].expand(2, 3, 12, 3))
    pooled = nn.functional.avg_pool2d(net.seen, 2)
    expected = nn.functional.interpolate(pooled, size=(16, 24), mode="bilinear")[..., :12, :21]
    assert torch.equal(output, expected)


def test_images_that_fit_are_not_touched():
    images = torch.rand(1, 3, 16, 24)
    assert PadTo(8).fitted(images) is images
    assert InputSize(16, 24).fitted(images) is images
    assert AnySize().fitted(images) is images


def test_resizing_goes_there_and_back():
    net, images = only(8, 32), torch.rand(1, 3, 24, 16)
    output = adapted(net, InputSize(8, 32))(images)["semantic"]
    # Three rows become one by a triangle of that width on either side (Pillow's bilinear), two columns come of one.
    antialiased = nn.functional.interpolate(images, (8, 32), mode="bilinear", antialias=True)
    torch.testing.assert_close(net.seen, antialiased)
    expected = nn.functional.interpolate(nn.functional.avg_pool2d(net.seen, 2), (24, 16), mode="bilinear")
    torch.testing.assert_close(output, expected)


def test_a_constant_stays_one_and_inverse_depth_is_inverted_last():
    images = torch.full((1, 3, 10, 10), 0.25)
    inverse = [OutputSpec.parse("depth:inverse")]
    for size in (PadTo(8), InputSize(16, 16)):
        net = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 1, 1, bias=False))
        nn.init.ones_(net[1].weight)
        torch.testing.assert_close(
            Adapter(net, InputSpec("none", size=size), inverse, [THREE])(images)["depth"],
            torch.full((1, 10, 10), 4 / 3),
        )


@pytest.mark.parametrize("size", [PadTo(8), InputSize(16, 8)])
def test_gradients_go_through(size):
    images = torch.rand(1, 3, 11, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: size.restored(size.fitted(x)[..., ::2, ::2], x.shape[-2:]), images)


def test_swapped_axes_are_seen_in_what_the_network_saw():
    """A wide network on tall images is no mistake."""
    tall = torch.rand(1, 3, 32, 16)
    assert adapted(only(16, 32), InputSize(16, 32))(tall)["semantic"].shape == (1, 3, 32, 16)


@pytest.mark.parametrize("n", [1, 2, 14, 16, 32, 64])
def test_divisibility_is_found(n):
    assert least_multiple(multiples(n), (45, 80)) == n


@pytest.mark.parametrize(
    ("net", "rules"),
    [
        (multiples(32), [PadTo(32)]),
        (multiples(14), [PadTo(14)]),
        (only(224, 224), [InputSize(224, 224)]),
        (only(512, 1024), [InputSize(512, 1024)]),
        (only(1, 1), []),
        (multiples(5), []),  # it takes the size: that is not what it fails on
    ],
)
def test_what_is_proposed(net, rules):
    assert list(rules_that_run(net, (45, 80))) == rules
    assert advice(net, (45, 80)) == (f"; it runs at other sizes: give {rules[0].option}" if rules else "")


def test_options():
    assert size_rule(None, None) == AnySize()
    assert size_rule(32, None) == PadTo(32)
    assert size_rule(None, "512x1024") == InputSize(512, 1024)
    assert InputSize.parse(InputSize(6, 7).option.split()[1]) == InputSize(6, 7)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((32, "64x64"), "give one of them"),
        ((0, None), "--pad-to 0: give a whole number"),
        ((None, "512"), "--input-size 512: write HEIGHTxWIDTH"),
        ((None, "0x3"), "give two whole numbers"),
    ],
)
def test_bad_options(given, message):
    with pytest.raises(UsageError, match=message):
        size_rule(*given)
