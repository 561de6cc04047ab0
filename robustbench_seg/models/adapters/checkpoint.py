"""A custom checkpoint: a factory, a weights file, and how its inputs and outputs look."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor, nn

from robustbench_seg.classes import CITYSCAPES19, ClassSet
from robustbench_seg.data.classfile import load_classes
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.adapters.adapter import Adapter, InputSpec, OutputSpec, probe
from robustbench_seg.models.adapters.factory import make
from robustbench_seg.models.adapters.sizes import size_rule
from robustbench_seg.models.base import DEFAULT_TASK, LoadedModel, for_inference
from robustbench_seg.models.catalogue.weights import digest, fit, read_pickle, read_safetensors

State = dict[str, Tensor]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
_PREFIXES = ("module.", "model.", "_orig_mod.", "net.", "network.")
# Heads that only serve training; checkpoints hold them, networks for inference lack them.
_TRAINING_ONLY = ("aux_classifier.", "auxiliary_head.", "auxlayer.")


def load_checkpoint(
    factory: str,
    *,
    weights: str | Path | None = None,
    normalize: str = "imagenet",
    input_scale: int = 1,
    channel_order: str = "rgb",
    classes: str | ClassSet = CITYSCAPES19,
    outputs: Sequence[str] = (),
    median_scaling: bool | None = None,
    pad_to: int | None = None,
    input_size: str | None = None,
) -> LoadedModel:
    """The wrapped network in eval mode and fp32; every way it can fail is one error line.

    `pad_to` pads images to multiples of so much, `input_size` (`HxW`) resizes them, inside the attacked graph.
    `classes` is a known set or a classes file; without `outputs` it is taken for a segmentation network.
    `median_scaling` None means: where depth is inverse, because disparity and inverse depth are mostly relative.
    """
    specs = tuple(OutputSpec.parse(text) for text in outputs) or (OutputSpec(DEFAULT_TASK),)
    tasks = tuple(spec.task for spec in specs)
    if len(set(tasks)) < len(tasks):
        raise UsageError(f"outputs {', '.join(tasks)}: name each task once")
    spec = InputSpec(normalize, input_scale, channel_order, size_rule(pad_to, input_size))
    class_set = classes
    if isinstance(class_set, str):
        class_set = load_classes(class_set)
    net = make(factory, len(class_set))
    if weights is not None:
        fit(net, matched(read_state(Path(weights)), net), str(weights))
    adapter = for_inference(Adapter(net, spec, specs, len(class_set)))
    probe(adapter)
    # With other options or code it is another model.
    how = (spec, specs, (class_set.names, class_set.maps), median_scaling, digest(net), _code(factory))
    return LoadedModel(
        name=factory,
        module=adapter,
        tasks=tasks,
        classes=class_set,
        median_scaling=any(spec.inverse for spec in specs) if median_scaling is None else median_scaling,
        sha256=hashlib.sha256(repr(how).encode()).hexdigest(),
        origin=factory if weights is None else f"{factory} + {weights}",
        summary="custom network, weights of its factory" if weights is None else "custom checkpoint",
    )


def _code(factory: str) -> bytes:
    source = Path(factory.rpartition(":")[0])
    return source.read_bytes() if source.suffix == ".py" else b""


def read_state(path: Path) -> State:
    """The state dict in a safetensors file or a pickle of plain tensors; a pickle of code is refused unrun."""
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    return unwrapped(read_pickle(path), str(path))


def unwrapped(loaded: object, where: str) -> State:
    """The mapping of tensors inside the usual wrappers (`state_dict`, `model`, `model_state_dict`, …)."""
    inner = loaded
    while isinstance(inner, Mapping):
        wrapper = next((key for key in _WRAPPERS if isinstance(inner.get(key), Mapping)), None)
        if wrapper is None:
            break
        inner = inner[wrapper]
    if not isinstance(inner, Mapping) or not inner or not all(isinstance(v, Tensor) for v in inner.values()):
        raise InputError(f"{where}: holds no state dict, neither at the top nor under {', '.join(_WRAPPERS)}")
    return {str(key): value for key, value in inner.items()}


def matched(state: State, module: nn.Module) -> State:
    """`state` without wrappers' prefixes, as far as that makes more keys fit, and without training heads."""
    expected = module.state_dict().keys()
    best = state
    candidates = [state]
    while candidates:
        current = candidates.pop()
        if len(expected & current.keys()) > len(expected & best.keys()):
            best = current
        candidates += [_strip(current, p) for p in _PREFIXES if any(key.startswith(p) for key in current)]
    return {key: v for key, v in best.items() if key in expected or not key.startswith(_TRAINING_ONLY)}


def _strip(state: State, prefix: str) -> State:
    return {key.removeprefix(prefix): value for key, value in state.items()}
