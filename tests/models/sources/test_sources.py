"""Networks of transformers, segmentation_models_pytorch and ONNX, as these libraries make and write them."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from robustbench_seg.classes import ADE20K150, CITYSCAPES19, MAPILLARY65
from robustbench_seg.errors import InputError, RobustsegError, UsageError
from robustbench_seg.evaluation.spec import ModelSpec
from robustbench_seg.models.registry import SOURCES

pytestmark = pytest.mark.slow


def load(name, **options):
    return ModelSpec.parse(name, options).load()


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 50, 70, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def segformer(tmp_path):
    """A folder with a SegFormer of Cityscapes' classes and its processor; `saved(**changes)` writes it."""
    transformers = pytest.importorskip("transformers")

    def saved(names=CITYSCAPES19.names, size=(64, 96), **changes):
        torch.manual_seed(0)
        config = transformers.SegformerConfig(
            **{"hidden_sizes": [8, 16, 24, 32], "depths": [1] * 4, "num_attention_heads": [1, 1, 2, 2]},
            decoder_hidden_size=16,
            id2label=dict(enumerate(names)),
            label2id={name: i for i, name in enumerate(names)},
        )
        folder = tmp_path / "segformer"
        net = transformers.SegformerForSemanticSegmentation(config)
        net.save_pretrained(folder)
        processor = {
            **{"do_normalize": True, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.4]},
            **{"do_rescale": True, "do_resize": True, "size": {"height": size[0], "width": size[1]}},
            **changes,
        }
        (folder / "preprocessor_config.json").write_text(json.dumps(processor))
        return folder, net.eval()

    return saved


def test_a_folder_of_transformers_says_classes_normalisation_and_size(segformer, images):
    folder, net = segformer()
    model = load(f"hf:{folder}")
    assert model.classes == CITYSCAPES19
    assert model.tasks == ("semantic",)
    small = nn.functional.interpolate(images, (64, 96), mode="bilinear", align_corners=False, antialias=True)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ([0.5, 0.4, 0.3], [0.2, 0.3, 0.4]))
    expected = nn.functional.interpolate(
        net((small - mean) / std).logits, (50, 70), mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(model.module(images)["semantic"], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("known", [ADE20K150, MAPILLARY65])
def test_the_classes_of_other_data_sets_are_known_by_their_names(segformer, known):
    # Published folders of ADE20K write "bed ", as the list of the data set does.
    folder, _ = segformer(names=["bed " if name == "bed" else name for name in known.names])
    assert load(f"hf:{folder}").classes == known


def test_options_go_before_what_the_folder_says(segformer, images):
    folder, net = segformer(names=[f"LABEL_{i}" for i in range(11)])
    model = load(f"hf:{folder}", normalize="none", pad_to=1, classes="camvid11")
    assert model.classes.name == "camvid11"
    expected = nn.functional.interpolate(net(images).logits, (50, 70), mode="bilinear", align_corners=False)
    torch.testing.assert_close(model.module(images)["semantic"], expected, atol=1e-5, rtol=1e-4)


def test_classes_of_its_own_are_a_set_of_the_folders_name(segformer):
    folder, _ = segformer(names=("sky", "road", "person"))
    assert load(f"hf:{folder}").classes.names == ("sky", "road", "person")


@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_depth_is_inverse_where_the_folder_says_relative(tmp_path, images, kind):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    backbone = transformers.Dinov2Config(
        **{"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "image_size": 28, "patch_size": 14},
        out_features=["stage1", "stage2", "stage3", "stage4"],
        reshape_hidden_states=False,
    )
    config = transformers.DepthAnythingConfig(
        **{"backbone_config": backbone, "reassemble_hidden_size": 16, "neck_hidden_sizes": [8, 8, 8, 8]},
        **{"fusion_hidden_size": 8, "head_hidden_size": 4, "patch_size": 14, "depth_estimation_type": kind},
        max_depth=80,
    )
    net = transformers.DepthAnythingForDepthEstimation(config).eval()
    net.save_pretrained(tmp_path / "depth")
    processor = {"do_normalize": False, "do_resize": True, "size": {"height": 28, "width": 28}}
    processor |= {"keep_aspect_ratio": True, "ensure_multiple_of": 14}
    (tmp_path / "depth" / "preprocessor_config.json").write_text(json.dumps(processor))
    model = load(f"hf:{tmp_path / 'depth'}")
    assert model.tasks == ("depth",)
    assert model.depth_align == {"relative": "affine", "metric": "none"}[kind]
    same = images[..., :42, :70]
    given = net(same).predicted_depth
    expected = given.clamp(min=1e-6).reciprocal() if kind == "relative" else given
    torch.testing.assert_close(model.module(same)["depth"], expected, atol=1e-4, rtol=1e-4)


def test_a_size_that_keeps_the_shape_is_noted(segformer):
    folder, _ = segformer(size=(64, 96))
    assert load(f"hf:{folder}").notes == ()
    processor = {"do_normalize": False, "do_resize": True, "size": {"shortest_edge": 64}}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    (note,) = load(f"hf:{folder}").notes
    assert "it resizes images to {'shortest_edge': 64}; here they keep their size" in note
    assert load(f"hf:{folder}", input_size="64x96").notes == ()


def test_a_random_head_is_refused(segformer):
    folder, net = segformer()
    state = {key: value for key, value in net.state_dict().items() if "classifier" not in key}
    net.save_pretrained(folder, state_dict=state)
    with pytest.raises(InputError, match=r"no weights for 2 of the network's tensors \(decode_head.classifier.bias"):
        load(f"hf:{folder}")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("Mask2FormerForUniversalSegmentation", "predicts a set of masks with a class each, not a map of logits"),
        ("BertForMaskedLM", "neither …ForSemanticSegmentation nor …ForDepthEstimation"),
    ],
)
def test_what_is_no_map_is_refused(tmp_path, kind, message):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": [kind]}))
    with pytest.raises(InputError, match=message):
        load(f"hf:{tmp_path}")


PROCESSORS = [
    {"do_normalize": True},
    {"do_normalize": True, "image_mean": 0.5, "image_std": 0.5},
    {"do_normalize": True, "image_mean": [0.5], "image_std": [0.5]},
    {"do_resize": True, "size": {"height": None, "width": 3}},
    {"do_resize": True, "size": {}, "keep_aspect_ratio": True, "ensure_multiple_of": None},
    {"do_resize": True, "size": {}, "keep_aspect_ratio": True, "ensure_multiple_of": "a"},
]


@pytest.mark.parametrize("processor", PROCESSORS)
def test_an_odd_processor_is_one_line(segformer, processor):
    folder, _ = segformer()
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    with pytest.raises(InputError, match=r"preprocessor_config\.json: is not as save_pretrained writes it") as raised:
        load(f"hf:{folder}")
    assert "\n" not in str(raised.value)


CONFIGS = [
    {"id2label": {"a": "road"}},
    {"id2label": [1, 2]},
    {"id2label": 5},
    {"architectures": 5},
    {"architectures": "SegformerForSemanticSegmentation"},
    {"model_type": "segfourmer"},
    {"num_labels": 10**9, "id2label": None},
    {"id2label": {str(i): "road" for i in range(300)}},
    {"hidden_sizes": [10**6] * 4},
]


@pytest.mark.parametrize("changes", CONFIGS)
def test_an_odd_configuration_is_one_line(segformer, changes):
    folder, _ = segformer()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))
    with pytest.raises(InputError) as raised:
        load(f"hf:{folder}", classes="cityscapes19")
    assert "\n" not in str(raised.value)


def test_a_configuration_fetches_and_imports_nothing(segformer, monkeypatch):
    """Attention kernels are code from the hub, and a backbone's name may be a repository."""
    folder, net = segformer()
    config = json.loads((folder / "config.json").read_text())
    reaching = {"_attn_implementation": "kernels-community/flash-attn", "auto_map": {"AutoConfig": "evil.Evil"}}
    (folder / "config.json").write_text(json.dumps({**config, **reaching, "use_kernels": True}))
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it asks the network"))
    model = load(f"hf:{folder}", pad_to=1, normalize="none")
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    expected = nn.functional.interpolate(net(images).logits, (64, 64), mode="bilinear", align_corners=False)
    torch.testing.assert_close(model.module(images)["semantic"], expected, atol=1e-5, rtol=1e-4)


def test_weights_come_from_the_folder_alone(segformer, tmp_path):
    folder, net = segformer()
    (folder / "model.safetensors").rename(tmp_path / "outside.safetensors")
    (folder / "x.safetensors").write_bytes(b"")
    names = dict.fromkeys(net.state_dict(), "../outside.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    with pytest.raises(InputError, match=r"names \.\./outside\.safetensors, which is no file of the folder"):
        load(f"hf:{folder}")


def test_weights_that_do_not_fit_are_one_line(segformer):
    folder, net = segformer()
    config = json.loads((folder / "config.json").read_text())
    labels = {"id2label": {"0": "road"}, "label2id": {"road": 0}}
    (folder / "config.json").write_text(json.dumps({**config, **labels}))
    with pytest.raises(InputError, match="of another shape than"):
        load(f"hf:{folder}", classes="cityscapes19")
    (folder / "config.json").write_text(json.dumps(config))
    with torch.no_grad():
        net.decode_head.classifier.bias[0] = torch.nan
    net.save_pretrained(folder)
    with pytest.raises(InputError, match=r"decode_head\.classifier\.bias are not finite"):
        load(f"hf:{folder}")


def test_a_pickle_is_not_opened(segformer):
    folder, _ = segformer()
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(InputError, match=r"no safetensors file; write one with model\.save_pretrained"):
        load(f"hf:{folder}")


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_configuration_is_one_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(InputError, match="is no JSON") as raised:
        load(f"hf:{tmp_path}")
    assert "\n" not in str(raised.value)


def test_no_folder_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json; give a folder that save_pretrained wrote"):
        load(f"hf:{tmp_path / 'none'}")


def test_smp_pads_and_takes_weights(images, tmp_path):
    smp = pytest.importorskip("segmentation_models_pytorch")
    torch.manual_seed(0)
    net = smp.create_model("unet", "resnet18", encoder_weights=None, classes=11).eval()
    torch.save(net.state_dict(), tmp_path / "w.pth")
    model = load("smp:unet/resnet18", weights=str(tmp_path / "w.pth"), normalize="none", classes="camvid11")
    padded = nn.functional.pad(images, (0, 96 - 70, 0, 64 - 50), mode="replicate")
    torch.testing.assert_close(model.module(images)["semantic"], net(padded)[..., :50, :70], atol=1e-5, rtol=1e-4)


def test_an_encoder_of_timm(images):
    pytest.importorskip("segmentation_models_pytorch")
    model = load("smp:unet/tu-mobilenetv3_small_050", classes="camvid11")
    assert model.notes == ("smp:unet/tu-mobilenetv3_small_050: its weights are random; give --weights FILE",)
    assert model.module(images)["semantic"].shape == (2, 11, 50, 70)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_onnx_has_the_gradient_of_what_was_exported(images, tmp_path):
    pytest.importorskip("onnx2torch")
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 11, 1)).eval()
    path = tmp_path / "net.onnx"
    torch.onnx.export(net, images, path, dynamic_axes={"x": {0: "n", 2: "h", 3: "w"}}, input_names=["x"], dynamo=False)
    module = load(f"onnx:{path}", normalize="none", classes="camvid11").module
    found, expected = images.clone().requires_grad_(), images.clone().requires_grad_()
    (module(found)["semantic"].square().sum()).backward()
    net(expected).square().sum().backward()
    torch.testing.assert_close(found.grad, expected.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("smp:unit/resnet18", UsageError, "did you mean unet"),
        ("smp:unet/resnet17", UsageError, r"did you mean resnet1.*; one of timm's is tu-NAME"),
        ("smp:unet", UsageError, "unknown encoder of smp ''"),
        ("smp:unet/tu-resnext1", UsageError, "unknown encoder of timm 'resnext1'; did you mean"),
        ("smp:unet/tu-hf-hub:evil/x", UsageError, "unknown encoder of timm 'hf-hub:evil/x'"),
        ("smp:unet/tu-local-dir:/tmp", UsageError, "unknown encoder of timm"),
        ("timm:resnet18", UsageError, "smp:unet/tu-resnet18 puts one on it"),
        ("onnx:none.onnx", InputError, "no such file"),
        ("hf:", UsageError, "use FILE.py:factory"),
    ],
)
def test_what_is_not_known_is_one_line(name, kind, message):
    with pytest.raises(kind, match=message) as raised:
        load(name)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("data", [b"no graph", b"", b"<html></html>"])
def test_what_is_no_onnx_is_one_line(tmp_path, data):
    (tmp_path / "x.onnx").write_bytes(data)
    with pytest.raises(InputError, match=r"is not what torch.onnx.export writes") as raised:
        load(f"onnx:{tmp_path / 'x.onnx'}")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("name", "extra"), [("hf", "hf"), ("smp", "smp"), ("onnx", "onnx")])
def test_without_the_library_it_says_how_to_install_it(monkeypatch, tmp_path, name, extra):
    for module in ("transformers", "segmentation_models_pytorch", "onnx2torch"):
        monkeypatch.setitem(__import__("sys").modules, module, None)
    (tmp_path / "config.json").write_text('{"architectures": ["SegformerForSemanticSegmentation"]}')
    where = {"hf": str(tmp_path), "smp": "unet/resnet18", "onnx": str(tmp_path / "config.json")}[name]
    with pytest.raises(RobustsegError, match=rf"pip install 'robustbench-seg\[{extra}\]'"):
        SOURCES.get(name)().network(where, 19)
