"""The clean metrics of a model's folder, for its card."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from robustbench_seg.evaluation.batch import first_sample
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.models.catalogue.card import Card, EvaluationCard
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.results.keys import CLEAN

# A run needs one perturbation, and noise takes no gradient.
_PROTOCOL = Protocol("card", (AttackPlan("gaussian", (1.0,)),))


def with_metrics(card: Card, folder: Path, data: DataSpec, limit: int | None, device: str) -> Card:
    """The card with the clean metrics of what its folder holds, on the first `limit` images of a data set."""
    config = EvaluationConfig(
        models=[ModelSpec(folder.name, folder=str(folder))],
        datasets=[data],
        protocol=_PROTOCOL,
        limit=limit,
        device=device,
    )
    with tempfile.TemporaryDirectory(prefix="robustseg-") as temporary:
        prepared = PreparedEvaluation(config, Path(temporary))
        height, width = first_sample(prepared.datasets[0])[1].image.shape[:2]
        rows = [row for row in run_evaluation(prepared, Path(temporary)).rows if row.attack == CLEAN]
    metrics: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.value is not None:
            metrics.setdefault(row.task, {})[row.metric] = round(row.value, 4)
    images = max((row.n_images for row in rows), default=0)
    measured_on = EvaluationCard(data.name, data.split or "val", images, (height, width))
    return replace(card, evaluation=measured_on, metrics=metrics)
