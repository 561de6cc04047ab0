"""The library call: evaluate a module of one's own from Python."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from robustbench_seg.classes import CITYSCAPES19, ClassSet
from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.prepare import EvaluationConfig, PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.catalogue.weights import digest
from robustbench_seg.protocol import Protocol
from robustbench_seg.registries import PROTOCOLS
from robustbench_seg.results.run import Run


def evaluate(
    model: str | nn.Module | LoadedModel,
    dataset: str | Dataset,
    protocol: str | Protocol = "quick",
    *,
    tasks: Sequence[str] = ("semantic",),
    classes: ClassSet = CITYSCAPES19,
    out: str | Path | None = None,
    **options: Any,
) -> Run:
    """Evaluate one model on one data set; `run.summary` is a pandas table.

    Args:
        model: a catalogue name, a LoadedModel, or a module that takes (N,3,H,W) float32 in [0,1] and returns a dict of
            `semantic` logits (N,C,h,w) and `depth` (N,h,w) in metres (normalisation inside).
        dataset: `NAME[:ROOT]` or a Dataset.
        protocol: a name or a Protocol.
        tasks: the keys a bare module's dict has.
        classes: the classes of a bare module's logits.
        out: the run folder (given again it resumes); a temporary one by default.
        options: the other fields of `Request`: limit, seed, batch_size, device, precision, workers, ...

    Raises:
        UsageError, InputError: with one line that says what to change.
    """
    config = EvaluationConfig(
        models=[_model(model, tasks, classes)],
        datasets=[DataSpec.parse(dataset) if isinstance(dataset, str) else InMemory(dataset.name, dataset)],
        protocol=PROTOCOLS.get(protocol) if isinstance(protocol, str) else protocol,
        in_process=True,
        **options,
    )
    folder = Path(tempfile.mkdtemp(prefix="robustseg-")) if out is None else Path(out)
    return run_evaluation(PreparedEvaluation(config, folder), folder)


def _model(model: str | nn.Module | LoadedModel, tasks: Sequence[str], classes: ClassSet) -> ModelSpec | InMemory:
    if isinstance(model, str):
        return ModelSpec(model)
    if isinstance(model, nn.Module):
        name = type(model).__name__
        model = LoadedModel(name, model, tuple(tasks), classes, False, _identity(model, classes), "python")
    if not isinstance(model, LoadedModel):
        raise UsageError(f"model {model!r} is neither a name, an nn.Module nor a LoadedModel")
    return InMemory(model.name, model, copied=True)


def _identity(module: nn.Module, classes: ClassSet) -> str:
    """A digest of the network, its weights and its classes, for the run's identity."""
    how = (repr(module), classes.names, classes.maps, digest(module))
    return hashlib.sha256(repr(how).encode()).hexdigest()
