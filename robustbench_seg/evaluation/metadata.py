"""run.json: everything about a run that a reader may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from robustbench_seg.evaluation.fitting import FITTED
from robustbench_seg.evaluation.plan import Pair
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.provenance import provenance
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.evaluation.trials import FAST
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.catalogue.card import read_card
from robustbench_seg.plugins import needed
from robustbench_seg.protocol_options import caveats
from robustbench_seg.results.store import SCHEMA, Store


def metadata(prepared: PreparedEvaluation, intervals: Mapping[str, str], store: Store) -> dict[str, Any]:
    """Return the content of run.json; `intervals` holds a sentence per data set."""
    config, plan = prepared.config, prepared.plan
    folded = store.read_meta("folded")
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **provenance(prepared.device),
        "arguments": {"given": dict(config.given), "resolved": _resolved(prepared)},
        "models": [_model_metadata(model, folded) for model in prepared.models],
        "segmenters": [_model_metadata(model, {}) for model in prepared.segmenters.values()],
        "datasets": [_dataset_metadata(prepared, i) for i in range(len(prepared.datasets))],
        "protocol": asdict(config.protocol) | {"caveats": caveats(config.protocol)},
        "plugins": needed(prepared.manifest, config.plugins, _measured(prepared)),
        "metrics": _metrics_metadata(prepared),
        "intervals": dict(intervals),
        "notes": list(plan.notes),
        "fitted": store.read_meta(FITTED) or {},
        "failures": store.failures(),
        "workers": store.workers(),
        "seed": config.seed,
        "batch_size": plan.batch_size,
        "precision": ", ".join(sorted({prepared.how(pair).precision for pair in plan.pairs})),
        "execution": [_execution(prepared, pair) for pair in plan.pairs],
        "threads": plan.threads,
        "identity": prepared.identity,
    }


def _measured(prepared: PreparedEvaluation) -> dict[str, set[str]]:
    """The names that models, their networks and data sets have in the registries; what is in memory has none."""
    config = prepared.config
    models = [model for model in config.models if isinstance(model, ModelSpec)]
    models += map(ModelSpec.parse, prepared.segmenters)
    return {
        "models": {model.name for model in models if model.folder is None and model.own is None},
        "networks": {read_card(Path(model.folder)).architecture.name for model in models if model.folder is not None},
        "datasets": {dataset.name for dataset in config.datasets if isinstance(dataset, DataSpec)},
    }


def _resolved(prepared: PreparedEvaluation) -> dict[str, Any]:
    config = prepared.config
    as_given = ("limit", "budget", "seed", "precision", "compile", "plain", FAST, "eot", "quantise", "engine")
    return {
        "models": [model.name for model in prepared.models],
        "datasets": [dataset.name for dataset in prepared.datasets],
        "protocol": config.protocol.name,
        "tasks": list(config.tasks) if config.tasks is not None else "all",
        "batch_size": prepared.plan.batch_size,
        "device": prepared.device,
        "workers": prepared.workers,
        **{name: getattr(config, name) for name in as_given},
    }


def _execution(prepared: PreparedEvaluation, pair: Pair) -> dict[str, Any]:
    """How the model of a pair was run."""
    names = {"model": prepared.models[pair.model].name, "dataset": prepared.datasets[pair.dataset].name}
    found = prepared.fast.get(prepared.workplace.name(pair))
    return names | prepared.how(pair).described() | ({} if found is None else {FAST: found})


def _dataset_metadata(prepared: PreparedEvaluation, index: int) -> dict[str, Any]:
    dataset, spec = prepared.datasets[index], prepared.config.datasets[index]
    used = max((pair.n_images for pair in prepared.plan.pairs if pair.dataset == index), default=0)
    return {
        "name": dataset.name,
        "split": getattr(spec, "split", None),
        "n_images": used,
        "n_in_split": len(dataset),
        "fingerprint": prepared.identity["datasets"][index][1],
        "terms": dataset.terms,
        "groups": len(set(dataset.groups[:used])),
    }


def _model_metadata(model: LoadedModel, folded: object) -> dict[str, Any]:
    return {
        **{name: getattr(model, name) for name in ("name", "sha256", "tasks", "origin", "summary", "terms")},
        "classes": model.classes.name,
        "own_classes": {task: classes.name for task, classes in model.own_classes.items()},
        "folded": folded.get(model.name) if isinstance(folded, dict) else None,
        "parameters": sum(parameter.numel() for parameter in model.module.parameters()),
    }


def _metrics_metadata(prepared: PreparedEvaluation) -> dict[str, dict[str, str]]:
    """How images are pooled into each metric, by task."""
    tasks = [task for pair in prepared.plan.pairs for task in pair.load_tasks().values()]
    return {task.name: {metric.name: metric.pooling for metric in task.metrics} for task in tasks}
