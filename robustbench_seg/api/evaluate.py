"""`robustbench_seg.evaluate`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from robustbench_seg.api.models import loaded
from robustbench_seg.api.run import Run
from robustbench_seg.classes import CITYSCAPES19, ClassSet
from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.models.base import DEFAULT_TASK, LoadedModel
from robustbench_seg.protocol import PROTOCOLS, Protocol


def evaluate(
    model: str | nn.Module | LoadedModel,
    dataset: str | Dataset,
    protocol: str | Protocol = "quick",
    *,
    tasks: Sequence[str] = (DEFAULT_TASK,),
    classes: ClassSet = CITYSCAPES19,
    out: str | Path | None = None,
    **options: Any,
) -> Run:
    """Evaluate one model on one data set under a protocol.

    Args:
        model: a name (see `load_model`), a LoadedModel, or a module that takes (N,3,H,W) float32 in [0,1], its
            normalisation inside, and returns the output of its task, or several in a dict: `semantic` logits
            (N,C,h,w), `depth` (N,h,w) in metres, ...
        dataset: `NAME[:ROOT]` or a Dataset.
        protocol: a name or a Protocol.
        tasks: the tasks of a plain module.
        classes: the classes of a plain module's logits.
        out: the run folder, which resumes when it is given again; a temporary one by default.
        options: other fields of `EvaluationConfig`: limit, budget (in minutes), seed, batch_size, device, precision,
            workers, quantise (also score images rounded to 8 bits), ...

    Returns:
        The run: `.summary` is a pandas table, `.plot()` its Q curves, `.relationships()` what attacking one task does
        to the others.

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
    return Run(folder, tables=run_evaluation(PreparedEvaluation(config, folder), folder).tables)


def _model(model: str | nn.Module | LoadedModel, tasks: Sequence[str], classes: ClassSet) -> ModelSpec | InMemory:
    if isinstance(model, str):
        return ModelSpec.parse(model)
    made = loaded(model, tasks, classes)
    return InMemory(made.name, made, copied=True)
