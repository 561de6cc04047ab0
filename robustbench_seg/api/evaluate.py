"""`robustbench_seg.evaluate`."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from torch import nn
from torch.utils.data import DataLoader

from robustbench_seg.api.models import Classes, class_sets, loaded, shared_and_own
from robustbench_seg.api.options import check_options, keyword_hints, texts
from robustbench_seg.api.pairs import PairData, Pairs
from robustbench_seg.api.run import Run
from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.models.adapters.checkpoint import adapted
from robustbench_seg.models.base import DEFAULT_TASK, LoadedModel
from robustbench_seg.protocol import PROTOCOLS, Protocol
from robustbench_seg.protocol_options import override, split_setting

OWN_OPTIONS = {name: hint for name, hint in keyword_hints(adapted).items() if name != "classes"}
"""How a module or code is called."""
FIXED = ("models", "datasets", "protocol", "tasks", "in_process", "given")
"""Fields of a configuration that the call itself sets."""
FIELDS = {name: hint for name, hint in get_type_hints(EvaluationConfig).items() if name not in FIXED}


def evaluate(
    model: str | nn.Module | LoadedModel,
    dataset: str | Dataset | DataLoader[Any] | PairData,
    protocol: str | Protocol = "quick",
    *,
    tasks: Sequence[str] = (DEFAULT_TASK,),
    classes: Classes | str | None = None,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    **options: Any,
) -> Run:
    """Evaluate one model on one data set under a protocol.

    Args:
        model: a name (see `load_model`), a LoadedModel, or a module that takes (N,3,H,W) float32 in [0,1], its
            normalisation inside unless `normalize` is given, and returns the output of its task, or several in a dict
            or an object with `.logits`: `semantic` logits (N,C,h,w), `depth` (N,h,w) in metres, ...
        dataset: `NAME[:ROOT]`, a Dataset, or pairs of an image and its labels: a sequence, a torch Dataset or a
            DataLoader of one, of which the data set is taken, in its own order. Images are PIL, arrays (H,W,3) uint8
            or tensors (3,H,W) in [0,1]; labels are a map of the first task, or a dict of several by task.
        protocol: a name or a Protocol.
        tasks: the tasks of a plain module; `semantic[NAME]` for one of several segmentations.
        classes: the classes of a plain module's logits, and of pairs' labels; Cityscapes' 19 by default. Those of
            several segmentations are a dict by NAME.
        settings: parameters of attacks and tasks, as the command's `--set`: `{"pgd.steps": 40, "depth.crop": "garg"}`.
        out: the run folder, which resumes when it is given again; a temporary one by default.
        options: how a module or code is called, as in `load_model` (`normalize`, `weights`, `outputs`, `pad_to`, ...);
            and other fields of `EvaluationConfig`: limit, budget (in minutes), seed, batch_size, device, precision,
            workers, quantise (also score images rounded to 8 bits), ...

    Returns:
        The run: `.summary` is a pandas table, `.plot()` its Q curves, `.relationships()` what attacking one task does
        to the others.

    Raises:
        UsageError, InputError: with one line that says what to change.
    """
    check_options("evaluate", options, {**OWN_OPTIONS, **FIELDS})
    tasks, classes = texts("tasks", tasks), class_sets(classes)
    own = {key: options.pop(key) for key in OWN_OPTIONS if key in options}
    if not isinstance(protocol, str | Protocol):
        raise UsageError(f"protocol is a {type(protocol).__name__}; give a name or a Protocol")
    if out is not None and not isinstance(out, str | Path):
        raise UsageError(f"out={out!r} is a {type(out).__name__}; give a folder")
    if settings is not None and not isinstance(settings, Mapping):
        raise UsageError(
            f"settings={settings!r} is a {type(settings).__name__}; give a dict such as {{'pgd.steps': 40}}"
        )
    chosen = PROTOCOLS.get(protocol) if isinstance(protocol, str) else protocol
    config = EvaluationConfig(
        models=[_model(model, tasks, classes, own)],
        datasets=[_data(dataset, tasks, classes)],
        protocol=override(chosen, [(*split_setting(name), value) for name, value in (settings or {}).items()]),
        in_process=True,
        **options,
    )
    folder = Path(tempfile.mkdtemp(prefix="robustseg-")) if out is None else Path(out)
    return Run(folder, tables=run_evaluation(PreparedEvaluation(config, folder), folder).tables)


def _model(
    model: str | nn.Module | LoadedModel, tasks: Sequence[str], classes: Classes | None, own: Mapping[str, Any]
) -> ModelSpec | InMemory:
    if isinstance(model, str):
        return ModelSpec.parse(model, own or None)
    made = loaded(model, tasks, classes, **own)
    return InMemory(made.name, made, copied=True)


def _data(
    dataset: str | Dataset | DataLoader[Any] | PairData, tasks: Sequence[str], classes: Classes | None
) -> DataSpec | InMemory:
    if isinstance(dataset, str):
        return DataSpec.parse(dataset)
    data = dataset if isinstance(dataset, Dataset) else Pairs(dataset, tasks, *shared_and_own(classes, tasks))
    return InMemory(data.name, data)
