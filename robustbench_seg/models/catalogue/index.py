"""The shipped models, by name."""

from __future__ import annotations

from pathlib import Path

from robustbench_seg._shipped import shipped
from robustbench_seg.errors import UsageError
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.catalogue.card import CARD, Card, load_folder, read_card
from robustbench_seg.registry import unknown


def folders(root: Path | None = None) -> dict[str, Path]:
    """Every folder with a card below `root` (the shipped catalogue by default), by name, sorted."""
    base = shipped("models") if root is None else root
    return {path.parent.name: path.parent for path in sorted(base.glob(f"*/{CARD}"))}


def card(name: str, root: Path | None = None) -> Card:
    """A model's card; UsageError with a suggestion where there is none of that name."""
    return read_card(_folder(name, root))


def load(name: str, root: Path | None = None) -> LoadedModel:
    """A model with its verified weights."""
    return load_folder(_folder(name, root))


def _folder(name: str, root: Path | None) -> Path:
    known = folders(root)
    if name not in known:
        raise UsageError(unknown("model", name, known, "robustseg list models"))
    return known[name]
