"""Models for the library calls: by name, as a loaded model, or as a plain module."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from robustbench_seg.api.options import check_options, keyword_hints
from robustbench_seg.classes import CITYSCAPES19, ClassSet
from robustbench_seg.data.classfile import load_classes
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import ModelSpec
from robustbench_seg.models.adapters.checkpoint import adapted
from robustbench_seg.models.adapters.outputs import OutputSpec, classes_of, select
from robustbench_seg.models.base import DEFAULT_TASK, LoadedModel
from robustbench_seg.models.catalogue.weights import digest
from robustbench_seg.tasks.depth_align import NONE
from robustbench_seg.tasks.registry import load_task

Classes = ClassSet | Mapping[str, ClassSet]
"""One class set of all tasks, or one for each that has some, by its name."""
PLAIN = "python"
"""The origin of a plain module."""


def load_model(name: str, **options: Any) -> LoadedModel:
    """Load a model; `.module` maps images (N,3,H,W) float32 RGB in [0,1] to a dict of outputs.

    Args:
        name: an entry of the catalogue or of a plugin, a folder that `robustseg train` wrote, or code
            (`FILE.py:factory`, `package.module:factory`) or a source and a name (`hf:FOLDER`, `smp:ARCH/ENCODER`,
            `torchvision:NAME`, `onnx:FILE`).
        options: for code alone, how it is loaded and called: `weights` (FILE or FILE:KEY), `ignore_unexpected`,
            `normalize`, `input_scale`, `channel_order`, `pad_to`, `input_size`, `classes`, `outputs`, `depth_align`,
            as the command's options.

    Raises:
        UsageError: for an unknown name, or options that do not fit.
        InputError: for a card, weights or code that cannot be used. Both say what to change in one line.
    """
    if not isinstance(name, str):
        raise UsageError(f"the name is a {type(name).__name__}; give a text")
    check_options("load_model", options, keyword_hints(adapted))
    return ModelSpec.parse(name, options or None).load()


class Named(nn.Module):
    """A module whose outputs are returned by the tasks' keys, whatever container it returns them in."""

    def __init__(self, module: nn.Module, tasks: Sequence[str]) -> None:
        super().__init__()
        self.module = module
        self._keys = tuple(dict.fromkeys(load_task(task).key for task in tasks))

    def forward(self, images: Tensor) -> dict[str, object]:
        """A dict with one entry per key; InputError where the module returns none that fits."""
        raw = self.module(images)
        return {key: select(raw, OutputSpec(key)) for key in self._keys}


def loaded(
    model: str | nn.Module | LoadedModel,
    tasks: Sequence[str] = (DEFAULT_TASK,),
    classes: Classes | None = None,
    **options: Any,
) -> LoadedModel:
    """The model, loaded by name or wrapped; `tasks` and `classes` say what a plain module predicts.

    `options` are those of code in `load_model`; a module's normalisation is inside it unless they say otherwise.
    """
    if isinstance(model, str):
        return load_model(model, **options, **({} if classes is None or not options else {"classes": classes}))
    if isinstance(model, LoadedModel):
        if options:
            raise UsageError(f"{', '.join(options)}: the model is loaded already; give them to load_model")
        return model
    if not isinstance(model, nn.Module):
        raise UsageError(f"the model is a {type(model).__name__}, neither a name, an nn.Module nor a LoadedModel")
    shared, own = shared_and_own(classes, tasks)
    if options:
        # A copy: weights may be filled in, and it is put into eval mode.
        options = {"normalize": "none", "outputs": tuple(tasks), "classes": classes or shared, **options}
        return adapted(type(model).__name__, lambda _: copy.deepcopy(model), repr(model).encode(), **options)
    sets = [(each.names, each.maps) for each in (shared, *own.values())]
    identity = hashlib.sha256(repr((repr(model), tuple(tasks), sets, digest(model))).encode()).hexdigest()
    named = Named(model, tasks)
    return LoadedModel(type(model).__name__, named, tuple(tasks), shared, NONE, identity, PLAIN, own_classes=own)


def class_sets(classes: Classes | str | None) -> Classes | None:
    """The same with a set's name or file read; UsageError for what is none."""
    if isinstance(classes, str):
        return load_classes(classes)
    if classes is not None and not isinstance(classes, ClassSet | Mapping):
        raise UsageError(f"classes are a {type(classes).__name__}; give a ClassSet, a set's name, or sets by task")
    return classes


def shared_and_own(classes: Classes | None, tasks: Sequence[str]) -> tuple[ClassSet, dict[str, ClassSet]]:
    """The classes that tasks share, and those of single ones by task."""
    if isinstance(classes, Mapping):
        shared, own = classes_of(classes, [OutputSpec(task) for task in tasks])
        return shared or CITYSCAPES19, own
    return classes or CITYSCAPES19, {}
