"""Folders that transformers' `save_pretrained` wrote: segmentation with a map of logits, and depth."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from robustbench_seg.classes import CLASS_SETS, ClassSet, canonical
from robustbench_seg.data.classfile import default_palette
from robustbench_seg.errors import InputError, RobustsegError
from robustbench_seg.models.sources.base import Source, library
from robustbench_seg.registry import described
from robustbench_seg.tasks.depth_align import AFFINE

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
RELATIVE = ("relative", None)
"""What `depth_estimation_type` says where depth is inverse and without a scale; networks without it are MiDaS's."""
METRIC = ("glpn", "zoedepth", "depth_pro")
"""Kinds of networks that give metres whatever their configuration says."""


@dataclass(frozen=True)
class Head:
    """What the networks predict whose class ends in `suffix`, and the class of transformers that opens them."""

    suffix: str
    opener: str


SEGMENTATION = Head("ForSemanticSegmentation", "AutoModelForSemanticSegmentation")
DEPTH = Head("ForDepthEstimation", "AutoModelForDepthEstimation")
QUERIES = ("ForUniversalSegmentation", "ForInstanceSegmentation", "ForSegmentation", "ForObjectDetection")


class HuggingFace(Source):
    """`hf:FOLDER`, with the classes, normalisation and size that the folder says."""

    def options(self, name: str) -> Mapping[str, Any]:
        """What the two configurations say."""
        folder = Path(name)
        config, processor = _read(folder / CONFIG), _read(folder / PROCESSOR, {})
        return {**_inputs(processor), **_outputs(config, folder)}

    def network(self, name: str, num_classes: int) -> nn.Module:
        """The network with its weights, from safetensors alone; InputError where some are missing."""
        folder = Path(name)
        transformers, head = library("transformers", "hf"), _head(_read(folder / CONFIG), folder)
        if not list(folder.glob("*.safetensors")):
            raise InputError(f"hf:{folder}: no safetensors file; write one with model.save_pretrained(FOLDER)")
        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        try:
            net, found = getattr(transformers, head.opener).from_pretrained(
                folder, local_files_only=True, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
        except Exception as error:
            raise InputError(f"hf:{folder}: {described(error)}") from error
        if missing := sorted(found["missing_keys"]):
            raise InputError(
                f"hf:{folder}: no weights for {len(missing)} of the network's tensors ({', '.join(missing[:3])}), "
                "which would be random; save the fine-tuned network, head and all"
            )
        assert isinstance(net, nn.Module)
        return net

    def kept(self, name: str) -> str:
        """The network's configuration as JSON."""
        return json.dumps(_read(Path(name) / CONFIG))

    def rebuilt(self, kept: str, num_classes: int) -> nn.Module:
        """The network of a configuration; InputError where transformers does not know it."""
        transformers = library("transformers", "hf")
        try:
            config = json.loads(kept)
            head = _head(config, Path("card"))
            net = getattr(transformers, head.opener).from_config(
                transformers.AutoConfig.for_model(**config), trust_remote_code=False
            )
        except RobustsegError:
            raise
        except Exception as error:
            raise InputError(f"transformers: {described(error)}") from error
        assert isinstance(net, nn.Module)
        return net


def _read(path: Path, default: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """A JSON file; the default where there is none."""
    if not path.is_file():
        if default is not None:
            return default
        raise InputError(f"hf:{path.parent}: no {path.name}; give a folder that save_pretrained wrote")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: is no JSON object")
    return value


def _head(config: Mapping[str, Any], folder: Path) -> Head:
    names = config.get("architectures") or ["no architecture"]
    kind = str(names[0])
    for head in (SEGMENTATION, DEPTH):
        if kind.endswith(head.suffix):
            return head
    if kind.endswith(QUERIES):
        raise InputError(
            f"hf:{folder}: {kind} predicts a set of masks with a class each, not a map of logits; "
            "robustseg takes networks that do"
        )
    raise InputError(f"hf:{folder}: {kind} is neither …{SEGMENTATION.suffix} nor …{DEPTH.suffix}")


def _inputs(processor: Mapping[str, Any]) -> dict[str, Any]:
    """Normalisation, scale, channel order and size, as `load_checkpoint` takes them."""
    options: dict[str, Any] = {}
    if processor.get("do_normalize", False):
        triples = (",".join(map(str, processor[key])) for key in ("image_mean", "image_std"))
        options["normalize"] = "mean={};std={}".format(*triples)
    elif processor:
        options["normalize"] = "none"
    if processor.get("do_rescale") is False:
        options["input_scale"] = 255
    if processor.get("do_flip_channel_order", False):
        options["channel_order"] = "bgr"
    size = processor.get("size")
    if not processor.get("do_resize", False) or not isinstance(size, Mapping):
        return options
    if processor.get("keep_aspect_ratio", False):
        options["pad_to"] = int(processor.get("ensure_multiple_of", 1))
    elif {"height", "width"} <= set(size):
        options["input_size"] = f"{size['height']}x{size['width']}"
    return options


def _outputs(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    if _head(config, folder) is SEGMENTATION:
        classes = _classes(config, folder)
        return {"outputs": ("semantic=logits",)} | ({} if classes is None else {"classes": classes})
    is_metric = config.get("model_type") in METRIC or config.get("depth_estimation_type") not in RELATIVE
    if is_metric:
        return {"outputs": ("depth=predicted_depth",)}
    return {"outputs": ("depth=predicted_depth:inverse",), "depth_align": AFFINE}


def _classes(config: Mapping[str, Any], folder: Path) -> ClassSet | None:
    """A known set where the names are its own, else a set of the folder's; None where they are only numbered."""
    labels = config.get("id2label") or {}
    names = tuple(str(labels[key]) for key in sorted(labels, key=int))
    if not names or all(name.startswith("LABEL_") for name in names):
        return None
    spelled = tuple(map(canonical, names))
    for known in CLASS_SETS.values():
        if spelled == tuple(map(canonical, known.names)):
            return known
    return ClassSet(folder.name, names, default_palette(len(names)))
