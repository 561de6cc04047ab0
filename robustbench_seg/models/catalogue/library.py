"""From a network of a library to a folder with a card, which is a model like those of the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

from robustbench_seg.errors import UsageError
from robustbench_seg.models.adapters.adapter import Adapter
from robustbench_seg.models.adapters.checkpoint import open_checkpoint, resolved
from robustbench_seg.models.catalogue.card import (
    CARD,
    SCHEMA,
    WEIGHTS,
    ArchitectureCard,
    Card,
    classes_table,
    write_card,
)
from robustbench_seg.models.catalogue.weights import save_weights
from robustbench_seg.models.networks.library import LibraryParameters
from robustbench_seg.models.registry import SOURCES
from robustbench_seg.tasks.depth_align import DepthAlign

NAME = "library"
"""The network of such a card."""


def keep(spec: str, given: Mapping[str, Any], folder: Path, summary: str, licence: str) -> Card:
    """Write the weights, rounded to fp16, and the card of `spec` (`smp:ARCH/ENCODER`, …) into a folder; the card.

    `given` are the options of `adapters.checkpoint.adapted`. UsageError for custom code: a card executes nothing.
    """
    kind, _, name = spec.partition(":")
    if kind not in SOURCES:
        raise UsageError(
            f"model '{spec}': a card executes nothing, so it cannot stand for custom code; register the network in a "
            "plugin, or keep giving the code"
        )
    if (folder / CARD).exists():
        raise UsageError(f"{folder}: holds a model already; give another folder or remove it")
    source = SOURCES.get(kind)()
    if source.is_random and not given.get("weights"):
        raise UsageError(f"model '{spec}': its weights are random; give --weights FILE")
    kept, options = source.kept(name), resolved(spec, given)
    model = open_checkpoint(spec, given)
    if model.own_classes:
        raise UsageError(
            f"model '{spec}': outputs with classes of their own ({', '.join(model.own_classes)}) fit no card"
        )
    assert isinstance(model.module, Adapter)
    align = cast(DepthAlign, model.depth_align)
    folder.mkdir(parents=True, exist_ok=True)
    called = {key: options[key] for key in ("channel_order", "pad_to", "input_size") if key in options}
    parameters = LibraryParameters(kind, kept, tuple(options.get("outputs", model.tasks)), depth_align=align, **called)
    normalization = model.module.spec.normalization()
    mean, std = (",".join(map(repr, values)) for values in (normalization.mean, normalization.std))
    card = Card(
        schema=SCHEMA,
        name=folder.name,
        summary=summary,
        licence=licence,
        tasks=model.tasks,
        parameter_count=sum(parameter.numel() for parameter in model.module.parameters()),
        sha256=save_weights(model.module, folder / WEIGHTS),
        architecture=ArchitectureCard(NAME, f"mean={mean};std={std}", asdict(parameters)),
        classes=classes_table(model.classes),
        depth_align=align,
    )
    write_card(card, folder)
    return card
