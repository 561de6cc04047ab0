"""The networks, and the models made of them, by name; listing either imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from robustbench_seg._shipped import shipped
from robustbench_seg.registry import Entry, Registry, built_in, lazy, summary_of

if TYPE_CHECKING:
    from robustbench_seg.models.base import LoadedModel
    from robustbench_seg.models.networks.base import NetworkParameters


_NETWORKS = {
    "crossstitch": ("models.networks.crossstitch:CrossStitchParameters", "one encoder per task, stitched by stage"),
    "fpn": ("models.networks.fpn:FPNParameters", "a light feature pyramid per task on a shared encoder"),
    "klingner": ("models.networks.klingner:KlingnerParameters", "Klingner 2020: a U-decoder per task, shared encoder"),
    "mtan": ("models.networks.mtan:MTANParameters", "MTAN: tasks attend to a shared encoder, stage by stage"),
    "mtinet": (
        "models.networks.mtinet:MTINetParameters",
        "MTI-Net, and MTI-Net++ with instances: distillation by scale",
    ),
    "mtl": ("models.networks.mtl:MTLParameters", "multi-task baseline; with one task the single-task baseline"),
    "padnet": ("models.networks.padnet:PadNetParameters", "PAD-Net: first predictions, then distillation"),
    "uninet": ("models.networks.uninet:UniNetParameters", "UniNet 2021: a shared decoder and an instance head"),
}


def _cards() -> Iterator[Entry]:
    for card in sorted(shipped("models").glob("*/card.toml")):
        yield Entry(card.parent.name, "catalogue", summary_of(card), partial(_opener, card.parent.name))


def _opener(name: str) -> Callable[[], LoadedModel]:
    # By its path, so that listing imports no torch.
    load: Callable[[str], LoadedModel] = lazy("robustbench_seg.models.catalogue.index:load")()
    return partial(load, name)


NETWORKS: Registry[type[NetworkParameters]] = Registry("network", "networks", lambda: built_in(_NETWORKS))
MODELS: Registry[Callable[[], LoadedModel]] = Registry("model", "models", _cards)
