from __future__ import annotations

import hashlib

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.catalogue.weights import digest, fit, read_safetensors, rounded, save_weights


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    net[1].running_var.fill_(1e-9)
    return net


def test_floats_are_halved_and_statistics_are_not(tmp_path):
    net = _net()
    state = rounded(net)
    assert state["0.weight"].dtype == torch.float16
    assert state["1.weight"].dtype == torch.float16
    assert state["1.running_var"].dtype == torch.float32
    assert state["1.num_batches_tracked"].dtype == torch.int64
    sha = save_weights(net, tmp_path / "w.safetensors")
    assert sha == hashlib.sha256((tmp_path / "w.safetensors").read_bytes()).hexdigest()
    other = _net().requires_grad_(False)
    other[0].weight.zero_()
    fit(other, read_safetensors(tmp_path / "w.safetensors", sha), "w")
    assert other[0].weight.dtype == torch.float32
    torch.testing.assert_close(other[0].weight, net[0].weight.half().float(), rtol=0, atol=0)
    assert other[1].running_var.min() > 0
    assert not list(tmp_path.glob("*.partial"))


def test_wrong_sha(tmp_path):
    save_weights(_net(), tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="sha256"):
        read_safetensors(tmp_path / "w.safetensors", "0" * 64)


@pytest.mark.parametrize("keep", [0, 5, 40, 200])
def test_damaged_file(tmp_path, keep):
    path = tmp_path / "w.safetensors"
    save_weights(_net(), path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="not a safetensors file") as caught:
        read_safetensors(path)
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_safetensors(tmp_path / "none.safetensors")


def test_mismatches_make_one_line(tmp_path):
    net = _net()
    state = net.state_dict()
    state = {f"extra.{i}": torch.zeros(1) for i in range(9)} | {
        "0.weight": torch.zeros(1, 2),
        "1.weight": torch.full((4,), float("nan")),
        "1.bias": state["1.bias"],
    }
    with pytest.raises(InputError) as caught:
        fit(net, state, "file")
    text = str(caught.value)
    for part in (
        "3 missing (0.bias",
        "9 unexpected (extra.0, extra.1, extra.2, …)",
        "0.weight (1, 2) for (4, 3, 3, 3)",
        "1 not finite",
    ):
        assert part in text
    assert "\n" not in text


def test_batch_counters_may_be_missing(tmp_path):
    net = _net()
    state = {key: value.contiguous() for key, value in net.state_dict().items() if "tracked" not in key}
    save_file(state, tmp_path / "w.safetensors")
    fit(net, read_safetensors(tmp_path / "w.safetensors"), "file")


def test_digest_follows_the_weights():
    net, same = _net(), _net()
    assert digest(net) == digest(same)
    with torch.no_grad():
        same[0].bias[0] += 1e-3
    assert digest(net) != digest(same)
