from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import CAMVID11, CITYSCAPES19, align
from robustbench_seg.errors import InputError
from robustbench_seg.float32 import tf32
from tests.attacks import paper
from tests.tasks.by_key import by_key

IMAGES = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))


def loss(outputs) -> Tensor:
    return outputs["semantic"].square().flatten(1).mean(1)


class Fixed(nn.Module):
    """Returns what it was given, so that what a target model makes of it is seen."""

    def __init__(self, raw: object) -> None:
        super().__init__()
        self.raw = raw

    def forward(self, images: Tensor) -> object:
        return self.raw


# outputs


def test_other_outputs_are_dropped():
    raw = {"semantic": torch.rand(2, 19, 12, 16), "depth": torch.rand(2, 12, 16), "features": torch.rand(7)}
    outputs = TargetModel(Fixed(raw), by_key("depth", "semantic")).outputs(IMAGES)
    assert list(outputs) == ["depth", "semantic"]
    assert torch.equal(outputs["semantic"], raw["semantic"])
    assert torch.equal(outputs["depth"], raw["depth"])


@pytest.mark.parametrize("shape", [(2, 12, 16), (2, 1, 12, 16)], ids=["maps", "one channel"])
def test_depth_is_maps(shape):
    assert TargetModel(Fixed({"depth": torch.rand(shape)}), by_key("depth")).outputs(IMAGES)["depth"].shape == (
        2,
        12,
        16,
    )


def test_smaller_outputs_are_resized_bilinearly():
    raw = torch.rand(2, 5, 3, 4)
    outputs = TargetModel(Fixed({"semantic": raw}), by_key("semantic")).outputs(IMAGES)
    expected = F.interpolate(raw, (12, 16), mode="bilinear", align_corners=False)
    assert torch.equal(outputs["semantic"], expected)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (torch.rand(2, 19, 12, 16), "no tensor 'semantic'; map it with --output semantic=KEY"),
        ({"logits": torch.rand(2, 19, 12, 16)}, "no tensor 'semantic'"),
        ({"semantic": None}, "no tensor 'semantic'"),
        ({"semantic": torch.rand(2, 19)}, r"'semantic' has shape \(2, 19\) for 2 images"),
        ({"semantic": torch.rand(3, 19, 12, 16)}, r"\(3, 19, 12, 16\) for 2 images"),
        ({"semantic": torch.rand(2, 11, 12, 16)}, "11 channels for 19 classes; see --classes"),
    ],
)
def test_outputs_that_do_not_fit_are_refused_in_one_line(raw, message):
    with pytest.raises(InputError, match=message) as caught:
        TargetModel(Fixed(raw), by_key("semantic"), align(CITYSCAPES19, CAMVID11)).outputs(IMAGES)
    assert "\n" not in str(caught.value)


def test_images_are_counted():
    target_model = TargetModel(InPlace(False), by_key("semantic"))
    target_model.outputs(IMAGES)
    target_model.outputs(IMAGES[:1])
    target_model.gradient(IMAGES, loss)
    assert (target_model.cost.forwards, target_model.cost.backwards) == (5, 2)


def test_outputs_have_no_gradient_and_evaluation_mode():
    net = nn.Sequential(nn.Conv2d(3, 5, 1), nn.BatchNorm2d(5), nn.Dropout(0.5))
    wrapped = Keyed(net).train()
    before = copy.deepcopy(wrapped.state_dict())
    outputs = TargetModel(wrapped, by_key("semantic")).outputs(IMAGES)["semantic"]
    assert not outputs.requires_grad
    assert wrapped.training
    assert all(torch.equal(before[key], value) for key, value in wrapped.state_dict().items())
    assert torch.equal(outputs, wrapped.eval()(IMAGES)["semantic"])


class Keyed(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"semantic": self.net(images)}


# nets that write in place


class InPlace(nn.Module):
    """Normalises its input and adds after a ReLU: in place, as many public nets do, or not."""

    def __init__(self, in_place: bool) -> None:
        super().__init__()
        self.in_place = in_place
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.Conv2d(3, 8, 3, padding=1)
            self.second = nn.Conv2d(8, 8, 3, padding=1)
            self.last = nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        if self.in_place:
            x -= 0.45
            x /= 0.225
            x = F.relu_(self.first(x))
            y = F.relu(self.second(x))
            y += x  # overwrites what the ReLU saved for its gradient
            y *= torch.sigmoid(y)
        else:
            x = F.relu(self.first((x - 0.45) / 0.225))
            y = F.relu(self.second(x)) + x
            y = y * torch.sigmoid(y)
        return {"semantic": self.last(y)}


def test_the_in_place_net_is_one_that_plain_autograd_refuses():
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        InPlace(True)(IMAGES.clone())["semantic"].sum().backward()


def test_nets_that_write_in_place_get_the_gradient_of_their_twin():
    kept = IMAGES.clone()
    gradients = [
        TargetModel(InPlace(in_place), by_key("semantic")).gradient(IMAGES, loss) for in_place in (True, False)
    ]
    assert gradients[1].count_nonzero() == gradients[1].numel()
    torch.testing.assert_close(*gradients, rtol=1e-5, atol=1e-9)
    assert torch.equal(IMAGES, kept), "and never write to the images"


def test_a_net_is_found_to_write_in_place_once():
    target_model = TargetModel(InPlace(True), by_key("semantic"))
    for _ in range(3):
        target_model.gradient(IMAGES, loss)
    assert target_model.cost.backwards == 6
    assert target_model.cost.forwards == 6 + 2, "one forward is lost finding out"


def test_other_errors_are_not_taken_for_writing_in_place():
    def broken(outputs):
        raise RuntimeError("no kernel")

    target_model = TargetModel(InPlace(False), by_key("semantic"))
    with pytest.raises(RuntimeError, match="no kernel"):
        target_model.gradient(IMAGES, broken)
    assert target_model.cost.forwards == 2


# gradients


def test_an_output_that_does_not_see_the_image_has_no_gradient():
    raw = torch.rand(2, 5, 12, 16)
    assert TargetModel(Fixed({"semantic": raw}), by_key("semantic")).gradient(IMAGES, loss).count_nonzero() == 0
    assert (
        TargetModel(Fixed({"semantic": raw.requires_grad_()}), by_key("semantic"))
        .gradient(IMAGES, loss)
        .count_nonzero()
        == 0
    )


def test_gradients_are_taken_inside_no_grad():
    with torch.no_grad():
        inside = TargetModel(InPlace(False), by_key("semantic")).gradient(IMAGES, loss)
    assert torch.equal(inside, TargetModel(InPlace(False), by_key("semantic")).gradient(IMAGES, loss))


def test_bf16_is_for_gradients_alone(worlds):
    world = worlds(2)
    exact = world.target_model.outputs(world.images)
    target = world.labels["semantic"]

    def loss(outputs):
        assert all(value.dtype == torch.float32 for value in outputs.values())
        return F.cross_entropy(outputs["semantic"], target, ignore_index=255, reduction="none").flatten(1).mean(1)

    right = world.target_model.gradient(world.images, loss)
    world.target_model.precision = "bf16"
    rough = world.target_model.gradient(world.images, loss)
    assert not torch.equal(rough, right)
    assert F.cosine_similarity(rough.flatten(1), right.flatten(1)).min() > 0.98
    made = world.target_model.forward_pass(world.images)
    for key, value in exact.items():
        assert torch.equal(world.target_model.outputs(world.images)[key], value)
        assert torch.equal(made.outputs[key], value)
    assert torch.equal(made.gradient(loss), rough)
    context = world.context(paper.pgd(), "semantic")
    x = paper.pgd()(context, 4.0)
    assert x.dtype == torch.float32
    assert (context.loss(x) > context.loss(world.images)).all()


def test_tf32_is_for_gradients_alone():
    """The settings of a GPU's products, which no GPU is needed to see, in forwards and in backwards."""
    seen = []

    class Seeing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            seen.append(torch.backends.cudnn.conv.fp32_precision)
            return x.clone()

        @staticmethod
        def backward(ctx, gradient):
            seen.append(torch.backends.cudnn.conv.fp32_precision)
            return gradient

    class Net(InPlace):
        def forward(self, images):
            return super().forward(Seeing.apply(images))

    target_model = TargetModel(Net(True), by_key("semantic"), precision="tf32")
    with tf32(False):
        target_model.outputs(IMAGES)
        made = target_model.forward_pass(IMAGES)
        assert set(seen) == {"ieee"}
        seen.clear()
        made.gradient(loss)
        target_model.gradient(IMAGES, loss)
        assert set(seen) == {"tf32"}
        assert len(seen) > 4, "backwards too"
        assert torch.backends.cudnn.conv.fp32_precision == "ieee"


def test_a_forward_pass_gives_scores_and_gradients_of_one_forward(worlds):
    world = worlds(3)
    target_model, images = world.target_model, world.images
    losses = [lambda outputs: outputs["semantic"].square().flatten(1).mean(1), lambda o: o["depth"].flatten(1).mean(1)]
    expected = [target_model.gradient(images, one) for one in losses]
    outputs = target_model.outputs(images)
    before = target_model.cost.forwards, target_model.cost.backwards
    made = target_model.forward_pass(images)
    assert all(torch.equal(made.outputs[key], outputs[key]) for key in outputs)
    assert not any(output.requires_grad for output in made.outputs.values())
    for one, gradient in zip(losses, expected, strict=True):
        assert torch.equal(made.gradient(one), gradient)
    assert target_model.cost.forwards - before[0] == 3
    assert target_model.cost.backwards - before[1] == 2 * 3
    made.release()
    assert torch.equal(made.gradient(losses[0]), expected[0])
    assert target_model.cost.forwards - before[0] == 2 * 3


@pytest.mark.parametrize("known", [False, True])
def test_a_forward_pass_through_a_net_that_overwrites(known):
    expected = TargetModel(InPlace(False), by_key("semantic")).gradient(IMAGES, loss)
    target_model = TargetModel(InPlace(True), by_key("semantic"))
    if known:
        target_model.gradient(IMAGES, loss)
    assert torch.equal(target_model.forward_pass(IMAGES).gradient(loss), expected)
    assert torch.equal(target_model.forward_pass(IMAGES).gradient(loss), expected)


def test_a_loss_that_writes_into_its_outputs_harms_no_other(worlds):
    world = worlds(2)
    made = world.target_model.forward_pass(world.images)
    scored = {key: output.clone() for key, output in made.outputs.items()}
    right = lambda outputs: outputs["semantic"].square().flatten(1).mean(1)  # noqa: E731
    expected = made.gradient(right)

    def writing(outputs):
        outputs["semantic"].mul_(0)
        return outputs["depth"].flatten(1).mean(1)

    made.gradient(writing)
    assert torch.equal(made.gradient(right), expected)
    assert all(torch.equal(made.outputs[key], output) for key, output in scored.items())
