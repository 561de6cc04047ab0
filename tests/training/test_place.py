"""Where and how a step runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.catalogue.card import read_card
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import train
from robustbench_seg.training.place import HERE, MOST_WORKERS, Place, in_float32, open_place


class Seen(nn.Module):
    """A convolution that keeps the type of what it gives."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)

    def forward(self, images):
        out = self.conv(images)
        self.dtype = out.dtype
        return {"a": out, "b": ({"c": out},)}


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_the_network_alone_is_in_half_precision(precision, dtype):
    module, given = Seen(), {}

    def loss(forward, batch):
        given.update(forward(batch))
        return (given["a"] @ given["a"]).mean()

    value = open_place(precision=precision).objective(module, loss)(torch.rand(1, 3, 4, 4))
    value.backward()
    assert module.dtype is dtype
    assert given["a"].dtype is given["b"][0]["c"].dtype is value.dtype is torch.float32
    assert module.conv.weight.grad.dtype is torch.float32


def test_tf32_is_the_networks_and_the_gradients_alone():
    with pytest.raises(UsageError, match="tf32 is for a GPU"):
        open_place(precision="tf32")
    module, seen = Seen(), {}
    asked = torch.backends.cudnn.conv
    module.conv.register_forward_hook(lambda *_: seen.update(network=asked.fp32_precision))
    before = asked.fp32_precision

    def loss(forward, batch):
        out = forward(batch)["a"]
        seen.update(loss=asked.fp32_precision)
        return out.mean()

    for precision, expected in (("fp32", "ieee"), ("tf32", "tf32")):
        # Not opened: there is no GPU.
        place = Place(precision=precision)
        place.objective(module, loss)(torch.rand(1, 3, 4, 4))
        assert seen == {"network": expected, "loss": before}
        with place.multiplying():
            assert asked.fp32_precision == expected
    assert asked.fp32_precision == before


def test_what_knows_how_to_be_float32_is_asked():
    class Boxes:
        def float(self):
            return "in float32"

    assert in_float32({"instances": Boxes()}) == {"instances": "in float32"}


def test_workers_by_default(monkeypatch):
    assert open_place("cpu").workers == 0
    for cores, devices, workers in ((32, 1, MOST_WORKERS), (6, 1, 6)):
        monkeypatch.setattr("os.sched_getaffinity", lambda _, cores=cores: set(range(cores)))
        assert open_place("cuda", devices).workers == workers
    assert open_place("cuda", workers=3).workers == 3


def test_half_precision_learns_alike_is_on_the_card_and_does_not_mix(tmp_path, recipe, toy):
    half = open_place(precision="bf16")
    short = replace(recipe, steps=2)
    plain, rounded = (train(short, toy, toy, tmp_path / str(i), place=p) for i, p in enumerate((HERE, half)))
    differences = [
        (one - other).abs().max()
        for one, other in zip(plain.module.parameters(), rounded.module.parameters(), strict=True)
    ]
    assert 0 < max(differences) < 0.1
    assert all(parameter.dtype is torch.float32 for parameter in rounded.module.parameters())
    with pytest.raises(InputError, match="precision"):
        train(short, toy, toy, tmp_path / "1")
    export(short, toy, tmp_path / "1", tmp_path / "tiny", place=half)
    card = read_card(tmp_path / "tiny").training
    assert (card.precision, card.devices) == ("bf16", None)
