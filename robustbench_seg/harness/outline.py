"""The outline of a run: what its tables need beside the statistics, kept in the store itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from robustbench_seg.harness.plan import Family


@dataclass(frozen=True)
class PairOutline:
    """One pair by name: the tasks measured, the names of the classes scored in, the families and their grids."""

    model: str
    dataset: str
    tasks: tuple[str, ...]
    classes: tuple[str, ...]
    families: tuple[Family, ...]


@dataclass(frozen=True)
class Outline:
    """Pairs in the order of the store, the id and group of every image by data set, the seed."""

    pairs: tuple[PairOutline, ...]
    groups: Mapping[str, Sequence[str]]
    ids: Mapping[str, Sequence[str]]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outline:
        """The inverse of `to_json`."""
        pairs = tuple(
            PairOutline(
                pair["model"],
                pair["dataset"],
                tuple(pair["tasks"]),
                tuple(pair["classes"]),
                tuple(Family(**{**family, "epsilons": tuple(family["epsilons"])}) for family in pair["families"]),
            )
            for pair in value["pairs"]
        )
        return cls(pairs, value["groups"], value["ids"], value["seed"])
