from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.adapters.adapter import Adapter, InputSpec
from robustbench_seg.models.adapters.outputs import OutputSpec

THREE = ClassSet("three", ("a", "b", "c"), ((0, 0, 0),) * 3)
RAW = InputSpec("none")


class Returns(nn.Module):
    """A network that returns what `wrap` makes of its three logits at stride 4, and keeps its input."""

    def __init__(self, wrap):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 4, stride=4)
        self.wrap = wrap

    def forward(self, x):
        self.seen = x
        return self.wrap(self.conv(x))


@pytest.mark.parametrize(
    ("wrap", "spec"),
    [
        (lambda y: y, "semantic"),
        (lambda y: {"out": y, "aux": y * 0}, "semantic"),
        (lambda y: OrderedDict(semantic=y, out=y * 0), "semantic"),
        (lambda y: {"seg": y}, "semantic=seg"),
        (lambda y: [y, y * 0], "semantic"),
        (lambda y: (y * 0, y), "semantic=1"),
        (lambda y: (y * 0, y), "semantic=-1"),
        (lambda y: SimpleNamespace(logits=y), "semantic"),
        (lambda y: SimpleNamespace(masks=y), "semantic=masks"),
    ],
)
def test_containers(wrap, spec):
    net = Returns(wrap)
    x = torch.rand(2, 3, 32, 48)
    outputs = Adapter(net, RAW, [OutputSpec.parse(spec)], [THREE])(x)
    expected = nn.functional.interpolate(net.conv(x), size=(32, 48), mode="bilinear")
    torch.testing.assert_close(outputs["semantic"], expected)


@pytest.mark.parametrize("channel", [True, False])
def test_inverse_depth_is_upsampled_before_it_is_inverted(channel):
    disparity = torch.rand(1, 1, 4, 6) - 0.2
    given = disparity if channel else disparity[:, 0]
    adapter = Adapter(Returns(lambda y: {"disp": given}), RAW, [OutputSpec.parse("depth=disp:inverse")], [THREE])
    depth = adapter(torch.rand(1, 3, 16, 24))["depth"]
    expected = 1 / nn.functional.interpolate(disparity, size=(16, 24), mode="bilinear")[:, 0].clamp(min=1e-6)
    assert depth.shape == (1, 16, 24)
    torch.testing.assert_close(depth, expected)


def test_two_outputs():
    specs = [OutputSpec.parse("semantic=0"), OutputSpec.parse("depth=1")]
    outputs = Adapter(Returns(lambda y: (y, y[:, :1].exp())), RAW, specs, [THREE] * 2)(torch.rand(1, 3, 16, 16))
    assert set(outputs) == {"semantic", "depth"}


def test_every_dense_task_can_be_mapped():
    x = torch.rand(1, 3, 16, 16)
    specs = [OutputSpec.parse("normals=out"), OutputSpec.parse("edges=mask")]
    outputs = Adapter(Returns(lambda y: {"out": y, "mask": y[:, 0]}), RAW, specs, [THREE] * 2)(x)
    assert {key: tuple(value.shape) for key, value in outputs.items()} == {
        "normals": (1, 3, 16, 16),
        "edges": (1, 16, 16),
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (InputSpec("none"), lambda r, g, b: (r, g, b)),
        (InputSpec("none", 255), lambda r, g, b: (255 * r, 255 * g, 255 * b)),
        (InputSpec("none", 1, "bgr"), lambda r, g, b: (b, g, r)),
        (InputSpec("half"), lambda r, g, b: tuple((c - 0.45) / 0.225 for c in (r, g, b))),
        (InputSpec("imagenet"), lambda r, g, b: ((r - 0.485) / 0.229, (g - 0.456) / 0.224, (b - 0.406) / 0.225)),
        # Presets follow the scale: (255 x - 255 m) / (255 s).
        (InputSpec("imagenet", 255), lambda r, g, b: ((r - 0.485) / 0.229, (g - 0.456) / 0.224, (b - 0.406) / 0.225)),
        # Caffe's convention: blue first, 0..255, mean subtracted. Numbers are named by colour, not by position.
        (
            InputSpec("mean=123,116,103;std=1,1,2", 255, "bgr"),
            lambda r, g, b: ((255 * b - 103) / 2, 255 * g - 116, 255 * r - 123),
        ),
    ],
)
def test_scale_then_order_then_normalisation(spec, expected):
    net = Returns(lambda y: y)
    x = torch.rand(1, 3, 8, 8)
    Adapter(net, spec, [OutputSpec("semantic")], [THREE])(x)
    torch.testing.assert_close(net.seen, torch.stack(expected(*x[0]))[None], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("wrap", "spec", "message"),
    [
        (lambda y: y, "semantic=seg", "no seg in a tensor"),
        (lambda y: {"a": y, "b": y}, "semantic", "keys a, b; use semantic=KEY"),
        (lambda y: {"edges": y}, "semantic", "'edges', a task's name: give --output edges=edges"),
        (lambda y: [y], "semantic=3", "length 1"),
        (lambda y: {"out": [y]}, "semantic", "instead of a tensor"),
        (lambda y: y.mean((2, 3)), "semantic", r"shape \(1, 3\) .*name another with semantic=KEY"),
        (lambda y: y.mean(), "semantic", r"shape \(\)"),
        (lambda y: y[:, :2], "semantic", "2 channels for 3 classes; see --classes"),
        (lambda y: y, "depth", r"3 channels, not 1.*name another with depth=KEY"),
        (lambda y: None, "semantic", "NoneType"),
    ],
)
def test_outputs_that_do_not_fit(wrap, spec, message):
    with pytest.raises(InputError, match=message):
        Adapter(Returns(wrap), RAW, [OutputSpec.parse(spec)], [THREE])(torch.rand(1, 3, 8, 8))


@pytest.mark.parametrize("text", ["flow=x", "semantic=", "semantic=out:inverse", "instance=out", "=out", ""])
def test_bad_output_spec(text):
    with pytest.raises(UsageError, match="output"):
        OutputSpec.parse(text)


def test_bad_input_spec():
    with pytest.raises(UsageError, match="use 1 or 255"):
        InputSpec(scale=256)
    with pytest.raises(UsageError, match="use rgb or bgr"):
        InputSpec(order="gbr")


@pytest.mark.parametrize(
    ("text", "scale", "fix"),
    [
        ("mean=123.7,116.3,103.5;std=58.4,57.1,57.4", 1, "give --input-scale 255"),
        ("mean=103.5,116.3,123.7;std=1,1,1", 1, "give --input-scale 255"),
        ("mean=0,0,0;std=255,255,255", 1, "divide them by 255"),
        ("mean=0.485,0.456,0.406;std=0.229,0.224,0.225", 255, "leave out --input-scale"),
        ("mean=0,0,0;std=0.229,0.224,0.225", 255, "multiply them by 255"),
    ],
)
def test_numbers_in_the_units_of_the_other_scale(text, scale, fix):
    with pytest.raises(UsageError, match=fix):
        InputSpec(text, scale)


@pytest.mark.parametrize(
    ("text", "scale"),
    [
        ("mean=0.5,0.5,0.5;std=0.5,0.5,0.5", 1),
        ("mean=-1,-1,-1;std=2,2,2", 1),
        ("mean=0,0,0;std=0.0039,0.0039,0.0039", 1),
        ("mean=0,0,0;std=1,1,1", 255),
        ("mean=0,0,0;std=255,255,255", 255),
        ("mean=103.9,116.8,123.7;std=1,1,1", 255),
        ("imagenet", 255),
    ],
)
def test_numbers_in_the_units_of_their_scale(text, scale):
    InputSpec(text, scale)
