"""run.json: everything about a run that a reader may ask for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from robustbench_seg.harness.evaluation import Evaluation
from robustbench_seg.harness.plan import load_tasks
from robustbench_seg.harness.provenance import provenance
from robustbench_seg.harness.store import SCHEMA
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.protocol import Protocol


def describe(
    evaluation: Evaluation, intervals: Mapping[str, str], failures: Mapping[str, int], workers: Mapping[str, int]
) -> dict[str, Any]:
    """The content of run.json.

    `intervals` holds a sentence a data set, `failures` failed results by error, `workers` shards by who did them.
    """
    request, plan = evaluation.request, evaluation.plan
    return {
        "schema": SCHEMA,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        **provenance(evaluation.device),
        "arguments": {"given": dict(request.given), "resolved": _resolved(evaluation)},
        "models": [_describe_model(model) for model in evaluation.models],
        "datasets": [_describe_dataset(evaluation, i) for i in range(len(evaluation.datasets))],
        "protocol": _describe_protocol(request.protocol),
        "metrics": _describe_metrics(evaluation),
        "intervals": dict(intervals),
        "notes": list(plan.notes),
        "failures": dict(failures),
        "workers": dict(workers),
        "seed": request.seed,
        "batch_size": plan.batch_size,
        "precision": request.precision,
        "threads": plan.threads,
        "identity": evaluation.identity,
    }


def _resolved(evaluation: Evaluation) -> dict[str, Any]:
    request = evaluation.request
    return {
        "models": [model.name for model in evaluation.models],
        "datasets": [dataset.name for dataset in evaluation.datasets],
        "protocol": request.protocol.name,
        "tasks": list(request.tasks) if request.tasks is not None else "all",
        "limit": request.limit,
        "seed": request.seed,
        "batch_size": evaluation.plan.batch_size,
        "device": evaluation.device,
        "precision": request.precision,
        "compile": request.compile,
        "plain": request.plain,
        "engine": request.engine,
        "workers": evaluation.workers,
    }


def _describe_dataset(evaluation: Evaluation, index: int) -> dict[str, Any]:
    dataset, spec = evaluation.datasets[index], evaluation.request.datasets[index]
    used = max((pair.n_images for pair in evaluation.plan.pairs if pair.dataset == index), default=0)
    return {
        "name": dataset.name,
        "split": getattr(spec, "split", None),
        "n_images": used,
        "fingerprint": evaluation.identity["datasets"][index][1],
        "terms": dataset.terms,
        "groups": len(set(dataset.groups[:used])),
    }


def _describe_model(model: LoadedModel) -> dict[str, Any]:
    return {
        "name": model.name,
        "sha256": model.sha256,
        "tasks": list(model.tasks),
        "classes": model.classes.name,
        "origin": model.origin,
        "summary": model.summary,
        "terms": model.terms,
        "parameters": sum(parameter.numel() for parameter in model.module.parameters()),
    }


def _describe_protocol(protocol: Protocol) -> dict[str, Any]:
    return {
        "name": protocol.name,
        "summary": protocol.summary,
        "source": protocol.source,
        "attacks": [
            {
                "name": a.name,
                "norm": a.norm,
                "epsilons": list(a.epsilons),
                "objectives": a.objectives,
                "params": dict(a.params),
            }
            for a in protocol.attacks
        ],
    }


def _describe_metrics(evaluation: Evaluation) -> dict[str, dict[str, str]]:
    """How images are pooled into each metric, by task."""
    tasks = load_tasks(list(dict.fromkeys(task for pair in evaluation.plan.pairs for task in pair.tasks)))
    return {name: {metric.name: metric.pooling for metric in task.metrics} for name, task in tasks.items()}
