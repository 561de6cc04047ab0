from __future__ import annotations

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.encoders import Encoder, ImageEncoder
from robustbench_seg.models.blocks.normalization import PRESETS


def test_encoder_has_five_levels():
    for name in ("resnet18", "mobilenetv2_100"):
        assert Encoder(name, {}).reductions == (2, 4, 8, 16, 32)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"channels": "wide"}, "channels: must be a list"),
        ({"channels": [8, 0, 16, 16]}, r"channels\[1\]: must be from 1 to 4096, not 0"),
        ({"layers": [1, 1, 1, 10**9]}, r"layers\[3\]: must be from 1 to 256, not 1000000000"),
        ({"layers": [1, 1]}, "cannot be built"),
        ({"stem_width": -4}, "stem_width: must be from 1"),
        ({"stem_type": "shallow"}, "stem_type: must be one of , deep, deep_tiered, not 'shallow'"),
        ({"drop_path_rate": 1.5}, "drop_path_rate: must be from 0 to 0.99, not 1.5"),
        ({"drop_rate": 0.1}, "unknown key 'drop_rate'; did you mean drop_path_rate"),
        ({"output_stride": 12}, "output_stride: must be one of 8, 16, 32, not 12"),
        ({"out_indices": [0, 9]}, "cannot be built"),
        ({"checkpoint_path": "evil.pth"}, "unknown key 'checkpoint_path'"),
    ],
)
def test_wrong_arguments_are_one_line(args, message):
    with pytest.raises(InputError, match=message) as caught:
        Encoder("resnet18", args)
    assert str(caught.value).startswith("encoder")
    assert "\n" not in str(caught.value)


def test_an_image_encoder_normalises_pads_and_leaves_levels_out():
    torch.manual_seed(0)
    encoder = ImageEncoder("resnet18", {}, PRESETS["half"], 2).eval()
    images = torch.rand(1, 3, 50, 70)
    padded = torch.nn.functional.pad((images - 0.45) / 0.225, (0, 26, 0, 14), mode="replicate")
    levels = encoder.body(padded)[2:]
    assert encoder.reductions == (8, 16, 32)
    assert not any("normalize" in key for key in encoder.state_dict())
    for found, expected in zip(encoder(images), levels, strict=True):
        torch.testing.assert_close(found, expected)


def test_an_encoder_without_levels_is_refused():
    with pytest.raises(InputError, match="skip_finest: 5 leaves none of the 5 levels of resnet18"):
        ImageEncoder("resnet18", {}, PRESETS["half"], 5)
