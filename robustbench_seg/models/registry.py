"""The networks, and the models made of them, by name; listing them imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_seg._shipped import shipped
from robustbench_seg.registry import Entry, Registry, built_in, lazy, summary_of

if TYPE_CHECKING:
    from robustbench_seg.models.base import LoadedModel
    from robustbench_seg.models.blocks.pose import PoseParameters
    from robustbench_seg.models.networks.base import NetworkParameters
    from robustbench_seg.models.sources.base import Source


_NETWORKS = {
    "crossstitch": ("models.networks.crossstitch:CrossStitchParameters", "one encoder per task, stitched by stage"),
    "deeplab": ("models.networks.deeplab:DeepLabParameters", "a DeepLab v3 head per task on a shared encoder"),
    "densemtl": (
        "models.networks.densemtl:DenseMTLParameters",
        "DenseMTL 2023: a U-decoder per task, with cross-task attention or other exchange",
    ),
    "fpn": ("models.networks.fpn:FPNParameters", "a light feature pyramid per task on a shared encoder"),
    "klingner": ("models.networks.klingner:KlingnerParameters", "Klingner 2020: a U-decoder per task, shared encoder"),
    "library": ("models.networks.library:LibraryParameters", "a network of a library, as `robustseg card` keeps it"),
    "monodepth2": (
        "models.networks.monodepth2:Monodepth2Parameters",
        "Godard 2019: depth at four scales, guided by a semantic network or not (Guizilini 2020)",
    ),
    "mtan": ("models.networks.mtan:MTANParameters", "MTAN: tasks attend to a shared encoder, stage by stage"),
    "mtinet": (
        "models.networks.mtinet:MTINetParameters",
        "MTI-Net, and MTI-Net++ with instances: distillation by scale",
    ),
    "mtl": ("models.networks.mtl:MTLParameters", "multi-task baseline; with one task the single-task baseline"),
    "packnet": (
        "models.networks.packnet:PackNetParameters",
        "PackNet: depth by packing, guided by a semantic network or not (Guizilini 2020)",
    ),
    "padnet": ("models.networks.padnet:PadNetParameters", "PAD-Net: first predictions, then distillation"),
    "uninet": ("models.networks.uninet:UniNetParameters", "UniNet 2021: a shared decoder and an instance head"),
}
_POSE_NETWORKS = {
    "conv": ("models.blocks.pose:ConvPoseParameters", "convolutions of three frames, with GroupNorm (PackNet's)"),
    "resnet": ("models.blocks.pose:ResNetPoseParameters", "an encoder of two frames, and convolutions (monodepth2's)"),
}
_SOURCES = {
    "hf": ("models.sources.huggingface:HuggingFace", "a folder of transformers' save_pretrained: hf:FOLDER"),
    "onnx": ("models.sources.onnx:ONNX", "an ONNX file, converted to torch: onnx:FILE"),
    "smp": ("models.sources.smp:SMP", "segmentation_models_pytorch: smp:ARCH/ENCODER"),
    "timm": ("models.sources.smp:Timm", "says which network of smp has a backbone of timm"),
    "torchvision": ("models.sources.torchvision:Torchvision", "torchvision's segmentation networks: torchvision:NAME"),
}


def card_folders() -> dict[str, Path]:
    """The folders of the shipped catalogue by model name, sorted; each holds a card and weights."""
    return {card.parent.name: card.parent for card in sorted(shipped("models").glob("*/card.toml"))}


def _cards() -> Iterator[Entry]:
    for name, folder in card_folders().items():
        yield Entry(name, "catalogue", summary_of(folder / "card.toml"), partial(_opener, folder))


def _opener(folder: Path) -> Callable[[], LoadedModel]:
    # By its path, so that listing imports no torch.
    load: Callable[[Path], LoadedModel] = lazy("robustbench_seg.models.catalogue.card:load_folder")()
    return partial(load, folder)


NETWORKS: Registry[type[NetworkParameters]] = Registry(
    "network", "networks", lambda: built_in("network", _NETWORKS, "models/registry.py")
)
POSE_NETWORKS: Registry[type[PoseParameters]] = Registry(
    "pose network", "pose_networks", lambda: built_in("pose network", _POSE_NETWORKS, "models/registry.py")
)
SOURCES: Registry[type[Source]] = Registry(
    "source", "sources", lambda: built_in("source", _SOURCES, "models/registry.py")
)
MODELS: Registry[Callable[[], LoadedModel]] = Registry("model", "models", _cards)
