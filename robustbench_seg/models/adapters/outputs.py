"""Where the output of each task lies in what a network returns, and which classes it has."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.classfile import load_classes
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.dense import USUAL_OUTPUTS, dense_tasks
from robustbench_seg.tasks.names import kind_of, label_of, named

_LABEL = re.compile(r"[A-Za-z]\w*")
_QUERIES = {"class_queries_logits", "masks_queries_logits", "pred_logits", "pred_masks", "pred_boxes", "boxes"}
"""Entries of networks that predict a class and a mask or box for each of some queries or instances."""
_INFERENCE = "einsum('bqc,bqhw->bchw', class_logits.softmax(-1)[..., :-1], mask_logits.sigmoid())"


@dataclass(frozen=True)
class OutputSpec:
    """Where a dense task's output lies in what the network returns, and whether it comes as its inverse (disparity).

    `key` is a dict key, an attribute's name, or a list's index; None takes the obvious one (the tensor itself, `out`,
    the task's name, `.logits`, `.predicted_depth` of depth, or the first of a list). `task` may be one of several of a
    kind, `semantic[lanes]`.
    """

    task: str
    key: str | None = None
    inverse: bool = False

    @classmethod
    def parse(cls, text: str) -> OutputSpec:
        """`TASK`, `TASK=KEY`, `NAME=TASK` or `NAME=TASK:KEY`, each perhaps followed by `:inverse`."""
        known = dense_tasks()
        body = text.removesuffix(":inverse")
        name, equals, where = body.partition("=")
        if kind_of(name) in known:
            task, colon, key = name, equals, where
        else:
            kind, colon, key = where.partition(":")
            task = named(kind, name)
        if kind_of(task) not in known or (colon and not key) or not _LABEL.fullmatch(label_of(task) or "task"):
            raise UsageError(
                f"output {text!r}: use TASK=KEY or TASK=KEY:inverse, TASK one of {', '.join(known)}; "
                "NAME=TASK:KEY for one of several outputs of a task"
            )
        if body != text and not known[kind_of(task)].invertible:
            possible = ", ".join(name for name, dense in known.items() if dense.invertible)
            raise UsageError(f"output {text!r}: only {possible} can be inverse")
        return cls(task, key or None, body != text)

    @property
    def is_invertible(self) -> bool:
        """Whether networks may give the inverse of its values."""
        return dense_tasks()[kind_of(self.task)].invertible

    @property
    def called(self) -> str:
        """The name it is given by: that of the task, or its own."""
        return label_of(self.task) or self.task

    @property
    def option(self) -> str:
        """How its key is given."""
        return f"{self.called}={kind_of(self.task)}:KEY" if label_of(self.task) else f"{self.task}=KEY"

    @property
    def keys(self) -> tuple[str, ...]:
        """Where it is looked for: under its key, its names or, where it is the only one of its kind, the usual ones."""
        if self.key is not None:
            return (self.key,)
        if label_of(self.task):
            return self.task, self.called
        task = dense_tasks().get(self.task)
        return self.task, *(USUAL_OUTPUTS if task is None else task.usual_outputs), "0"


def select(raw: object, spec: OutputSpec) -> object:
    """The entry of a network's output that a spec names, or the obvious one."""
    if isinstance(raw, Tensor) and spec.key is None:
        return raw
    if spec.key is None or spec.key in _QUERIES:
        _refuse_queries(raw, spec)
    for key in spec.keys:
        with contextlib.suppress(AttributeError, LookupError):
            return _entry(raw, key)
    raise InputError(
        f"output for {spec.called}: no {spec.key or 'obvious entry'} in {kind(raw)}; {_other_task(raw, spec)}"
    )


def kind(raw: object) -> str:
    """What an output is, with the names by which its entries can be asked for."""
    name = type(raw).__name__
    if isinstance(raw, Tensor):
        return f"a tensor {tuple(raw.shape)}"
    if isinstance(raw, Mapping):
        return f"a {name} with keys {', '.join(map(str, raw))}"
    return f"a {name} of length {len(raw)}" if isinstance(raw, Sequence) else f"a {name}"


def classes_of(
    given: str | ClassSet | Sequence[str] | Mapping[str, ClassSet], specs: Sequence[OutputSpec]
) -> tuple[ClassSet | None, dict[str, ClassSet]]:
    """The classes that all outputs share (None: not given), and those of single ones by task.

    `given` is a class set, sets by name, or texts `SET` or `NAME=SET`, where a set is a built-in one's name or a file.
    """
    if isinstance(given, ClassSet):
        return given, {}
    if isinstance(given, Mapping):
        return _split(None, _by_task(given, [spec.task for spec in specs]))
    shared, own = None, {}
    tasks = {spec.called: spec.task for spec in specs}
    for text in (given,) if isinstance(given, str) else given:
        name, equals, source = text.partition("=")
        if equals and name in tasks:
            own[tasks[name]] = load_classes(source)
        elif equals and not Path(text).is_file():
            raise UsageError(f"classes {text!r}: {unknown('output', name, tasks)}")
        elif shared is None:
            shared = load_classes(text)
        else:
            raise UsageError(f"classes {text!r}: give one set for all, others as NAME=SET of {', '.join(tasks)}")
    return _split(shared, own)


def _split(shared: ClassSet | None, own: Mapping[str, ClassSet]) -> tuple[ClassSet | None, dict[str, ClassSet]]:
    """Those of a task that is the only one of its kind are shared: what is measured by class is so in them."""
    single = [classes for task, classes in own.items() if not label_of(task)]
    return next(iter(single), shared), {task: classes for task, classes in own.items() if label_of(task)}


def _by_task(given: Mapping[str, ClassSet], tasks: Sequence[str]) -> dict[str, ClassSet]:
    """Class sets by task, of sets by the names of tasks or those that they have among their kind; UsageError else."""
    known = {name: task for task in tasks for name in (task, label_of(task) or task)}
    for name in given:
        if name not in known:
            raise UsageError(unknown("task in classes", name, known))
    return {known[name]: classes for name, classes in given.items()}


def _refuse_queries(raw: object, spec: OutputSpec) -> None:
    """InputError where a network predicts a class and a mask or box for each of some queries."""
    first = raw[0] if isinstance(raw, Sequence) and raw else raw
    entries = (
        set(map(str, first)) if isinstance(first, Mapping) else set(vars(first) if hasattr(first, "__dict__") else ())
    )
    found = sorted(entries & _QUERIES)
    if found and not entries & {spec.task, spec.called}:
        raise InputError(
            f"output for {spec.called}: the network predicts a class and a mask or box for each of some queries or "
            f"instances ({', '.join(found)}), as Mask2Former and DETR do, and nothing at every pixel; give a factory "
            f"whose forward returns its semantic inference, {_INFERENCE}"
        )


def _other_task(raw: object, spec: OutputSpec) -> str:
    """What to give instead: a key that is a task's may say which task the network is for."""
    tasks = {key: name for name, task in dense_tasks().items() for key in (task.key, name, *task.usual_outputs)}
    shared = {*USUAL_OUTPUTS, *spec.keys}
    for key in raw if spec.key is None and isinstance(raw, Mapping) else ():
        if key in tasks and key not in shared:
            what = "a task's name" if key in dense_tasks() else f"that of {tasks[key]}"
            return f"the output has '{key}', {what}: give --output {tasks[key]}={key}"
    return f"use {spec.option}"


def _entry(raw: object, key: str) -> object:
    if isinstance(raw, Mapping):
        return raw[key]
    return raw[int(key)] if isinstance(raw, Sequence) and key.lstrip("-").isdigit() else getattr(raw, key)
