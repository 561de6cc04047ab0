"""A custom checkpoint: a factory, a weights file, and how its inputs and outputs look."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from robustbench_seg.classes import CITYSCAPES19, ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.models.adapters.adapter import Adapter, InputSpec, probe
from robustbench_seg.models.adapters.factory import declared, make, note
from robustbench_seg.models.adapters.outputs import OutputSpec, classes_of
from robustbench_seg.models.adapters.sizes import size_rule
from robustbench_seg.models.adapters.weights import fill
from robustbench_seg.models.base import DEFAULT_TASK, LoadedModel, for_inference
from robustbench_seg.models.catalogue.weights import digest
from robustbench_seg.tasks.depth_align import MEDIAN, NONE, alignment_of
from robustbench_seg.tasks.registry import load_task

_SIZES = ("pad_to", "input_size")


def open_checkpoint(factory: str, given: Mapping[str, Any]) -> LoadedModel:
    """`load_checkpoint` with the options given, and for the others what the network's source says of it."""
    return load_checkpoint(factory, **resolved(factory, given))


def resolved(factory: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options given, and for the others what the network's source says of it."""
    known = dict(declared(factory))
    if any(key in given for key in _SIZES):
        known = {key: value for key, value in known.items() if key not in _SIZES}
    return {**known, **given}


def load_checkpoint(factory: str, **options: Any) -> LoadedModel:
    """The network of a factory or a source, wrapped with the options of `adapted`."""
    model = adapted(factory, partial(make, factory), _code(factory), **options)
    said = note(factory, options)
    return replace(model, notes=(*model.notes, said)) if said else model


def adapted(
    name: str,
    network: Callable[[int], nn.Module],
    code: bytes,
    *,
    weights: str | Path | None = None,
    ignore_unexpected: bool = False,
    normalize: str = "imagenet",
    input_scale: int = 1,
    channel_order: str = "rgb",
    classes: str | ClassSet | Sequence[str] | Mapping[str, ClassSet] = CITYSCAPES19,
    outputs: str | Sequence[str] = (),
    depth_align: str | None = None,
    pad_to: int | None = None,
    input_size: str | None = None,
) -> LoadedModel:
    """The wrapped network in eval mode and fp32; every way it can fail is one error line.

    `network` makes it for so many classes, `code` is what it computes besides its weights.
    `pad_to` pads images to multiples of so much, `input_size` (`HxW`) resizes them, inside the attacked graph.
    `weights` is FILE or FILE:KEY; `ignore_unexpected` leaves out what the network lacks.
    `classes` is a known set or a classes file, or several, `NAME=SET` being those of one output alone, or sets by such
    names; without `outputs` it is taken for a segmentation network.
    `depth_align` (`tasks.depth_align`) None means: median where depth is inverse, because disparity and inverse depth
    are mostly relative.
    """
    texts = (outputs,) if isinstance(outputs, str) else outputs
    specs = tuple(OutputSpec.parse(text) for text in texts) or (OutputSpec(DEFAULT_TASK),)
    tasks = tuple(spec.task for spec in specs)
    if len(set(tasks)) < len(tasks):
        raise UsageError(f"outputs {', '.join(tasks)}: name each task once")
    spec = InputSpec(normalize, input_scale, channel_order, size_rule(pad_to, input_size))
    if depth_align is not None and not any(spec.is_invertible for spec in specs):
        raise UsageError(f"depth_align {depth_align}: no output is depth; say which one, as in --output depth=KEY")
    align = depth_align or (MEDIAN if any(spec.inverse for spec in specs) else NONE)
    shared, own = classes_of(classes, specs)
    class_set = shared or CITYSCAPES19
    each = [own.get(task, class_set) for task in tasks]
    for task, its_classes in zip(tasks, each, strict=True):
        if fault := load_task(task).class_fault(its_classes):
            raise UsageError(f"classes of {task}: {fault}")
    net = network(len(each[0]))
    origin, notes = name, tuple[str, ...]()
    if weights is not None:
        where, notes = fill(net, weights, ignore_unexpected)
        origin = f"{name} + {where}"
    adapter = for_inference(Adapter(net, spec, specs, each, alignment_of(align)))
    probe(adapter)
    # With other options or code it is another model.
    how = (
        spec,
        specs,
        [(each.names, each.maps) for each in (class_set, *own.values())],
        align,
        digest(net),
        code,
    )
    return LoadedModel(
        name=name,
        module=adapter,
        tasks=tasks,
        classes=class_set,
        own_classes=own,
        depth_align=align,
        sha256=hashlib.sha256(repr(how).encode()).hexdigest(),
        origin=origin,
        summary="custom network, weights of its factory" if weights is None else "custom checkpoint",
        notes=notes,
    )


def _code(factory: str) -> bytes:
    source = Path(factory.rpartition(":")[0])
    return source.read_bytes() if source.suffix == ".py" and source.is_file() else b""
