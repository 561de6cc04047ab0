"""`robustseg card`."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustbench_seg.cli.evaluate import own_options
from robustbench_seg.cli.options import load_plugins, plugin_option

if TYPE_CHECKING:
    from robustbench_seg.models.catalogue.card import Card


@click.command("card")
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-d", "--dataset", metavar="NAME[:ROOT]", help="Measure its clean metrics there.")
@click.option("--split", help="Split of the data set (default val).")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N images.")
@click.option("--summary", default="", help="A line on what the model is.")
@click.option("--licence", default="", help="Of the weights.")
@click.option("--device", default="auto", show_default=True)
@own_options
@plugin_option
def card_command(
    model: str,
    folder: Path,
    dataset: str | None,
    split: str | None,
    limit: int | None,
    summary: str,
    licence: str,
    device: str,
    plugins: tuple[str, ...],
    **own: Any,
) -> None:
    """Keep MODEL (hf:FOLDER, smp:ARCH/ENCODER, torchvision:NAME) with its options as FOLDER: a card and weights.

    FOLDER is a model from then on: `robustseg evaluate -m ./FOLDER`. Nothing in it is executed.
    """
    load_plugins(plugins)
    from robustbench_seg.cli.evaluate import model_specs
    from robustbench_seg.models.catalogue.card import write_card
    from robustbench_seg.models.catalogue.library import keep

    (spec,) = model_specs([model], own)
    path = folder.resolve()
    card = keep(spec.name, spec.own or {}, path, summary or model, licence)
    if dataset is not None:
        write_card(_measured(card, path, dataset, split, limit, device), path)
    click.echo(f"card and weights in {folder}; evaluate it with -m {path.parent / path.name}")


def _measured(card: Card, folder: Path, dataset: str, split: str | None, limit: int | None, device: str) -> Card:
    """The card with the clean metrics of what its folder holds."""
    from robustbench_seg.evaluation.batch import first_sample
    from robustbench_seg.evaluation.config import EvaluationConfig, resolve_device
    from robustbench_seg.evaluation.prepare import PreparedEvaluation
    from robustbench_seg.evaluation.run import run_evaluation
    from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
    from robustbench_seg.models.catalogue.card import EvaluationCard
    from robustbench_seg.protocol import AttackPlan, Protocol
    from robustbench_seg.results.keys import CLEAN

    # A run needs one perturbation, and noise takes no gradient.
    protocol = Protocol("card", (AttackPlan("gaussian", (1.0,)),))
    data = DataSpec.parse(dataset, split)
    config = EvaluationConfig(
        models=[ModelSpec(folder.name, folder=str(folder))],
        datasets=[data],
        protocol=protocol,
        limit=limit,
        device=resolve_device(device),
    )
    with tempfile.TemporaryDirectory(prefix="robustseg-") as temporary:
        prepared = PreparedEvaluation(config, Path(temporary))
        _, sample = first_sample(prepared.datasets[0])
        rows = [row for row in run_evaluation(prepared, Path(temporary)).rows if row.attack == CLEAN]
    metrics: dict[str, dict[str, float]] = {}
    for row in rows:
        if row.value is not None:
            metrics.setdefault(row.task, {})[row.metric] = round(row.value, 4)
    height, width = sample.image.shape[:2]
    images = max((row.n_images for row in rows), default=0)
    return replace(card, evaluation=EvaluationCard(data.name, split or "val", images, (height, width)), metrics=metrics)
