"""A custom checkpoint: a factory, a weights file, and how its inputs and outputs look."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn

from robustbench_seg.classes import CITYSCAPES19, ClassSet
from robustbench_seg.data.classfile import load_classes
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.adapters.adapter import Adapter, InputSpec, OutputSpec, probe
from robustbench_seg.models.adapters.factory import make
from robustbench_seg.models.base import DEFAULT_TASK, LoadedModel, frozen
from robustbench_seg.models.catalogue.weights import digest, fit, read_pickle, read_safetensors

State = dict[str, Tensor]

_WRAPPERS = ("state_dict", "model_state_dict", "model", "net", "network")
_PREFIXES = ("module.", "model.", "_orig_mod.", "net.", "network.")
# Heads that only serve training; checkpoints hold them, networks for inference leave them out.
_TRAINING_ONLY = ("aux_classifier.", "auxiliary_head.", "auxlayer.")


@dataclass(frozen=True)
class Checkpoint:
    """How to load and call a custom network.

    Without `outputs` it is taken for a segmentation network. `median_scaling` None means: where depth is inverse,
    because disparity and inverse depth are mostly relative.
    """

    factory: str
    weights: Path | None = None
    input: InputSpec = field(default_factory=InputSpec)
    outputs: tuple[OutputSpec, ...] = (OutputSpec(DEFAULT_TASK),)
    classes: ClassSet = CITYSCAPES19
    median_scaling: bool | None = None


def load_own(
    factory: str,
    *,
    weights: str | Path | None = None,
    normalize: str = "imagenet",
    input_scale: int = 1,
    channel_order: str = "rgb",
    classes: str | ClassSet = CITYSCAPES19,
    outputs: Sequence[str] = (),
    median_scaling: bool | None = None,
    name: str | None = None,
) -> LoadedModel:
    """`load_checkpoint` from the plain values of a command line; `classes` is a known set or a classes file."""
    return load_checkpoint(
        Checkpoint(
            factory,
            None if weights is None else Path(weights),
            InputSpec(normalize, input_scale, channel_order),
            tuple(OutputSpec.parse(text) for text in outputs) or (OutputSpec(DEFAULT_TASK),),
            load_classes(classes) if isinstance(classes, str) else classes,
            median_scaling,
        ),
        name,
    )


def load_checkpoint(checkpoint: Checkpoint, name: str | None = None) -> LoadedModel:
    """The wrapped network in eval mode and fp32; every way it can fail is one error line."""
    tasks = tuple(spec.task for spec in checkpoint.outputs)
    if len(set(tasks)) < len(tasks) or not tasks:
        raise UsageError(f"outputs {', '.join(tasks) or 'none'}: name each task once, at least one")
    net = make(checkpoint.factory, len(checkpoint.classes))
    if checkpoint.weights is not None:
        state = read_state(checkpoint.weights)
        fit(net, matched(state, net), str(checkpoint.weights))
    adapter = frozen(Adapter(net, checkpoint.input, checkpoint.outputs, len(checkpoint.classes)))
    probe(adapter)
    inverse = any(spec.inverse for spec in checkpoint.outputs)
    return LoadedModel(
        name=name or checkpoint.factory,
        module=adapter,
        tasks=tasks,
        classes=checkpoint.classes,
        median_scaling=inverse if checkpoint.median_scaling is None else checkpoint.median_scaling,
        sha256=_identity(checkpoint, net),
        origin=checkpoint.factory if checkpoint.weights is None else f"{checkpoint.factory} + {checkpoint.weights}",
        summary="own checkpoint" if checkpoint.weights is not None else "own network, weights of its factory",
    )


def _identity(checkpoint: Checkpoint, net: nn.Module) -> str:
    """A digest of the weights and of how the network is called: with other options it is another model."""
    source = Path(checkpoint.factory.rpartition(":")[0])
    code = source.read_bytes() if source.suffix == ".py" else b""
    classes = (checkpoint.classes.names, checkpoint.classes.maps)
    how = (checkpoint.input, checkpoint.outputs, classes, checkpoint.median_scaling, digest(net), code)
    return hashlib.sha256(repr(how).encode()).hexdigest()


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
    own = module.state_dict().keys()
    best = state
    candidates = [state]
    while candidates:
        current = candidates.pop()
        if len(own & current.keys()) > len(own & best.keys()):
            best = current
        candidates += [_strip(current, p) for p in _PREFIXES if any(key.startswith(p) for key in current)]
    return {key: v for key, v in best.items() if key in own or not key.startswith(_TRAINING_ONLY)}


def _strip(state: State, prefix: str) -> State:
    return {key.removeprefix(prefix): value for key, value in state.items()}
