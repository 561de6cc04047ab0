"""`robustseg card`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from robustbench_seg.cli.evaluate import own_options
from robustbench_seg.cli.options import load_plugins, plugin_option


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
    from robustbench_seg.evaluation.clean import with_metrics
    from robustbench_seg.evaluation.config import resolve_device
    from robustbench_seg.evaluation.spec import DataSpec
    from robustbench_seg.models.catalogue.card import write_card
    from robustbench_seg.models.catalogue.library import keep

    (spec,) = model_specs([model], own)
    path = folder.resolve()
    card = keep(spec.name, spec.own or {}, path, summary or model, licence)
    if dataset is not None:
        write_card(with_metrics(card, path, DataSpec.parse(dataset, split), limit, resolve_device(device)), path)
    click.echo(f"card and weights in {folder}; evaluate it with -m {path.parent / path.name}")
