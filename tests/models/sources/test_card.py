"""Networks of libraries as folders with a card."""

from __future__ import annotations

import pytest
import torch

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.spec import ModelSpec
from robustbench_seg.models.catalogue.card import load_folder, read_card
from robustbench_seg.models.catalogue.library import keep

pytestmark = pytest.mark.slow
IMAGES = torch.rand(1, 3, 40, 72, generator=torch.Generator().manual_seed(0))


def rounded(module):
    """The module with its weights in fp16, as files hold them."""
    state = {k: v.half().float() if v.is_floating_point() and "running" not in k else v for k, v in
             module.state_dict().items()}  # fmt: skip
    module.load_state_dict(state)
    return module


@pytest.fixture
def torchvision(tmp_path):
    spec, options = "torchvision:lraspp_mobilenet_v3_large", {"classes": "camvid11"}
    torch.save(ModelSpec.parse(spec, options).load().module.net.state_dict(), tmp_path / "w.pth")
    called = {"channel_order": "bgr", "input_scale": 255, "weights": str(tmp_path / "w.pth")}
    return spec, {**options, **called}


def test_the_folder_is_the_model(torchvision, tmp_path):
    spec, options = torchvision
    card = keep(spec, options, tmp_path / "mine", "a toy", "CC0")
    assert read_card(tmp_path / "mine").sha256 == card.sha256
    assert (card.tasks, card.classes.classes, card.summary) == (("semantic",), "camvid11", "a toy")
    expected = rounded(ModelSpec.parse(spec, options).load().module)(IMAGES)
    found = load_folder(tmp_path / "mine").module(IMAGES)
    torch.testing.assert_close(found["semantic"], expected["semantic"], atol=1e-4, rtol=1e-4)


def test_smp_keeps_its_size(tmp_path):
    smp = pytest.importorskip("segmentation_models_pytorch")
    torch.save(smp.create_model("unet", "resnet18", encoder_weights=None, classes=11).state_dict(), tmp_path / "w.pth")
    options = {"classes": "camvid11", "weights": str(tmp_path / "w.pth")}
    keep("smp:unet/resnet18", options, tmp_path / "mine", "", "")
    with pytest.raises(UsageError, match="holds a model already"):
        keep("smp:unet/resnet18", options, tmp_path / "mine", "", "")
    assert load_folder(tmp_path / "mine").module(IMAGES)["semantic"].shape == (1, 11, 40, 72)


def test_transformers_keeps_its_configuration_and_classes(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.SegformerConfig(
        **{"hidden_sizes": [8, 16, 24, 32], "depths": [1] * 4, "num_attention_heads": [1, 1, 2, 2]},
        decoder_hidden_size=16,
        id2label={0: "sky", 1: "road"},
        label2id={"sky": 0, "road": 1},
    )
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(tmp_path / "given")
    keep(f"hf:{tmp_path / 'given'}", {}, tmp_path / "mine", "", "")
    model = load_folder(tmp_path / "mine")
    assert model.classes.names == ("sky", "road")
    expected = rounded(ModelSpec.parse(f"hf:{tmp_path / 'given'}", {}).load().module)(IMAGES)
    torch.testing.assert_close(model.module(IMAGES)["semantic"], expected["semantic"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("torchvision:fcn_resnet50", "its weights are random; give --weights"),
        ("net.py:build", "a card executes nothing"),
        ("onnx:net.onnx", "the file itself is all there is to keep"),
    ],
)
def test_what_a_card_cannot_keep(tmp_path, spec, message):
    with pytest.raises(UsageError, match=message):
        keep(spec, {}, tmp_path / "mine", "", "")
    assert not (tmp_path / "mine").exists()


def test_a_changed_network_is_one_line(torchvision, tmp_path):
    keep(*torchvision, tmp_path / "mine", "", "")
    path = tmp_path / "mine" / "card.toml"
    path.write_text(path.read_text().replace("lraspp_mobilenet_v3_large", "fcn_resnet50"))
    with pytest.raises(InputError, match="parameter_count: 3219838, but the network has 32951883") as raised:
        load_folder(tmp_path / "mine")
    assert "\n" not in str(raised.value)


def test_the_command_measures_what_it_keeps(quietly, torchvision, tmp_path):
    spec, options = torchvision
    folder = tmp_path / "mine"
    weights = ("--weights", options["weights"], "--classes", "camvid11")
    assert quietly("card", spec, str(folder), *weights, "-d", "street", "--limit", "2", "--device", "cpu")[0] == 0
    card = read_card(folder)
    assert card.evaluation.images == 2
    assert 0 <= card.metrics["semantic"]["miou"] < 0.2, "its weights are random"
