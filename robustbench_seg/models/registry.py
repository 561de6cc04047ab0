"""The models by name: the catalogue's cards, and those of plugins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from robustbench_seg._shipped import shipped
from robustbench_seg.registry import Entry, Registry, lazy, summary_of

if TYPE_CHECKING:
    from robustbench_seg.models.base import LoadedModel


def _cards() -> Iterator[Entry]:
    for card in sorted(shipped("models").glob("*/card.toml")):
        yield Entry(card.parent.name, "catalogue", summary_of(card), partial(_opener, card.parent.name))


def _opener(name: str) -> Callable[[], LoadedModel]:
    # By its path, so that listing imports no torch.
    load: Callable[[str], LoadedModel] = lazy("robustbench_seg.models.catalogue.index:load")()
    return partial(load, name)


MODELS: Registry[Callable[[], LoadedModel]] = Registry("model", "models", _cards)
