"""The manifest of a run: what its tables need beside the statistics, kept in the store itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from robustbench_seg.results.keys import FLOAT, AttackConfiguration


@dataclass(frozen=True)
class PairManifest:
    """One pair by name: the tasks measured, the names of the classes scored in, the configurations and their grids.

    `own_classes` are those of tasks that are scored in others than `classes`, `parameters` those of tasks that were set
    to others than their defaults, by task.
    """

    model: str
    dataset: str
    tasks: tuple[str, ...]
    classes: tuple[str, ...]
    configurations: tuple[AttackConfiguration, ...]
    own_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def classes_of(self, task: str) -> tuple[str, ...]:
        """The names of the classes that a task is scored in."""
        return self.own_classes.get(task, self.classes)


@dataclass(frozen=True)
class RunManifest:
    """Pairs in the order of the store, the id and group of every image by data set, the seed."""

    pairs: tuple[PairManifest, ...]
    groups: Mapping[str, Sequence[str]]
    ids: Mapping[str, Sequence[str]]
    seed: int

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunManifest:
        """Make it from what `to_json` returned."""
        pairs = tuple(
            PairManifest(
                pair["model"],
                pair["dataset"],
                tuple(pair["tasks"]),
                tuple(pair["classes"]),
                tuple(map(_configuration, pair["configurations"])),
                {task: tuple(names) for task, names in pair.get("own_classes", {}).items()},
                pair.get("parameters", {}),
            )
            for pair in value["pairs"]
        )
        return cls(pairs, value["groups"], value["ids"], value["seed"])


def _configuration(value: Mapping[str, Any]) -> AttackConfiguration:
    """A configuration as stored; a run from before images could be rounded does not say how they were scored."""
    grid, scored = tuple(value["epsilons"]), tuple(value.get("scored", (FLOAT,)))
    return AttackConfiguration(**{**value, "epsilons": grid, "scored": scored})
