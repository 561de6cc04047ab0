"""Folders that transformers' `save_pretrained` wrote: segmentation with a map of logits, and depth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from robustbench_seg.classes import CLASS_SETS, VOID, ClassSet, canonical, default_palette
from robustbench_seg.errors import InputError, RobustsegError, UsageError
from robustbench_seg.extras import library
from robustbench_seg.models.adapters.adapter import InputSpec
from robustbench_seg.models.adapters.sizes import size_rule
from robustbench_seg.models.networks.build import parameters_within
from robustbench_seg.models.sources.base import Source
from robustbench_seg.registry import described
from robustbench_seg.tasks.depth_align import AFFINE

CONFIG, PROCESSOR, INDEX = "config.json", "preprocessor_config.json", "model.safetensors.index.json"
REACHING = frozenset(
    {"_attn_implementation", "_attn_implementation_internal", "attn_implementation", "auto_map", "use_kernels",
     "quantization_config", "_name_or_path"}
)  # fmt: skip
"""Keys of a configuration that have transformers fetch or import code."""
PRETRAINED = "use_pretrained_backbone"
"""Has it fetch weights, which the folder has."""
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
        with _understood(folder / PROCESSOR):
            inputs = _inputs(processor)
            size_rule(inputs.get("pad_to"), inputs.get("input_size"))
            InputSpec(inputs.get("normalize", "imagenet"), inputs.get("input_scale", 1))
        with _understood(folder / CONFIG):
            return {**inputs, **_outputs(config, folder)}

    def note(self, name: str, options: Mapping[str, Any]) -> str:
        """That images are not resized where the folder's own rule keeps their shape."""
        processor = _read(Path(name) / PROCESSOR, {})
        if not processor.get("do_resize", False) or options.get("input_size"):
            return ""
        return f"it resizes images to {processor.get('size')}; here they keep their size, give --input-size HxW for one"

    def network(self, name: str, num_classes: int) -> nn.Module:
        """The network with its weights, from safetensors alone; InputError where some are missing or do not fit."""
        folder = Path(name)
        transformers, config = _transformers(), _read(folder / CONFIG)
        weights, head = _weights(folder), _head(config, folder)
        largest = sum(path.stat().st_size for path in weights)
        with _one_line(f"hf:{folder}"), _offline(), parameters_within(largest):
            net, found = getattr(transformers, head.opener).from_pretrained(
                folder,
                config=_configuration(transformers, config),
                **{"local_files_only": True, "use_safetensors": True, "trust_remote_code": False},
                **{"attn_implementation": "eager", "ignore_mismatched_sizes": True, "output_loading_info": True},
            )
        assert isinstance(net, nn.Module)
        _refuse_unfit(net, found, folder)
        return net

    def kept(self, name: str) -> str:
        """The network's configuration as JSON."""
        return json.dumps(_read(Path(name) / CONFIG))

    def rebuilt(self, kept: str, num_classes: int) -> nn.Module:
        """The network of a configuration; InputError where transformers does not know it."""
        transformers = _transformers()
        with _one_line("transformers"), _offline():
            config = json.loads(kept)
            head = _head(config, Path("card"))
            net = getattr(transformers, head.opener).from_config(
                _configuration(transformers, config), attn_implementation="eager", trust_remote_code=False
            )
        assert isinstance(net, nn.Module)
        return net


def _transformers() -> Any:
    transformers = library("transformers", "hf")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def _configuration(transformers: Any, config: Mapping[str, Any]) -> Any:
    """The configuration without what would fetch or import code, or fetch weights; InputError for too many classes."""
    count = max(len(config.get("id2label") or ()), int(config.get("num_labels") or 0))
    if count > VOID:
        raise InputError(f"{count} classes; at most {VOID} fit, as id {VOID} is void")
    return transformers.AutoConfig.for_model(**_plain(config))


def _plain(value: Any) -> Any:
    """A configuration, and those inside it, without the keys that reach outside."""
    if isinstance(value, Mapping):
        kept = {key: _plain(inner) for key, inner in value.items() if key not in REACHING}
        return {key: False if key == PRETRAINED else inner for key, inner in kept.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _weights(folder: Path) -> list[Path]:
    """The files of weights in a folder; InputError where there is none, or its index names one elsewhere."""
    files = list(folder.glob("*.safetensors"))
    if not files:
        raise InputError(f"hf:{folder}: no safetensors file; write one with model.save_pretrained(FOLDER)")
    index = _read(folder / INDEX, {}).get("weight_map", {})
    shards = set(index.values()) if isinstance(index, Mapping) else {str(index)}
    if elsewhere := sorted(str(shard) for shard in shards if shard not in {path.name for path in files}):
        raise InputError(f"{folder / INDEX}: names {elsewhere[0]}, which is no file of the folder")
    return files


def _refuse_unfit(net: nn.Module, found: Mapping[str, Any], folder: Path) -> None:
    if missing := sorted(found["missing_keys"]):
        raise InputError(
            f"hf:{folder}: no weights for {len(missing)} of the network's tensors ({', '.join(missing[:3])}), "
            "which would be random; save the fine-tuned network, head and all"
        )
    if mismatched := sorted(map(str, found["mismatched_keys"])):
        raise InputError(f"hf:{folder}: weights of another shape than {CONFIG} says: {mismatched[0]}")
    for key, value in net.state_dict().items():
        if value.is_floating_point() and not bool(value.isfinite().all()):
            raise InputError(f"hf:{folder}: weights {key} are not finite")


@contextmanager
def _one_line(where: str) -> Iterator[None]:
    """What transformers raises, as one InputError."""
    try:
        yield
    except RobustsegError:
        raise
    except Exception as error:
        raise InputError(f"{where}: {described(error)}") from error


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """What is not as transformers writes it, as one InputError that names the file."""
    try:
        yield
    except InputError:
        raise
    except (UsageError, TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise InputError(f"{path}: is not as save_pretrained writes it ({described(error)})") from error


@contextmanager
def _offline() -> Iterator[None]:
    """Within it nothing is fetched from the hub, whatever a configuration names."""
    constants = library("huggingface_hub", "hf").constants
    before, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _read(path: Path, default: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
    """A JSON file; the default where there is none."""
    if not path.is_file():
        if default is not None:
            return default
        raise InputError(f"hf:{path.parent}: no {path.name}; give a folder that save_pretrained wrote")
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: is no JSON ({described(error)})") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: is no JSON object")
    return value


def _head(config: Mapping[str, Any], folder: Path) -> Head:
    names = config.get("architectures")
    kind = str(names[0]) if isinstance(names, list) and names else "no architecture"
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
