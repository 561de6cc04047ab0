"""What targeted attacks reached: of their targets, how many left what they were, and how many became what was wanted.

The two stand side by side wherever one does: what changed is no success until it has also reached its target.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from robustbench_seg.results.keys import CellKey
from robustbench_seg.results.names import share_text
from robustbench_seg.results.rows import OUTCOMES, Row

EXPLAINED = (
    "Changed is the share of an attack's targets that are no longer what they were; reached is the share that became "
    "what the attack wanted. Targets are the pixels or locations of the classes swapped (of an untargeted DAG: all "
    "that were right, each pushed to a random other class), or the pixels of a hidden class, which are to become like "
    "their surroundings (in depth: within a factor of 1.25)."
)


@dataclass(frozen=True)
class Outcome:
    """The rows of one cell that say how many targets changed and how many reached what was wanted."""

    changed: Row
    reached: Row

    @property
    def shares(self) -> tuple[float | None, float | None]:
        """What changed and what reached its target, of 1; None where there is no target or an image failed."""
        return self.changed.value, self.reached.value

    @property
    def text(self) -> str:
        """The two in a sentence; empty where one is unknown."""
        changed, reached = self.shares
        if changed is None or reached is None:
            return ""
        return f"{share_text(changed)} of its targets changed, {share_text(reached)} reached what was wanted"


def outcomes(rows: Sequence[Row]) -> Mapping[CellKey, Outcome]:
    """The outcome of every cell that has one, in the order of the rows."""
    cells: dict[CellKey, dict[str, Row]] = {}
    for row in rows:
        if row.metric in OUTCOMES:
            cells.setdefault(row.key, {})[row.metric] = row
    return {key: Outcome(*(pair[name] for name in OUTCOMES)) for key, pair in cells.items() if len(pair) > 1}


def outcome_of(cell: Iterable[Row], known: Mapping[CellKey, Outcome]) -> Outcome | None:
    """The outcome of the cell that rows are of, where it has one."""
    return next((known[row.key] for row in cell if row.key in known), None)


def listed(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The outcomes as plain values, for machines."""
    return [
        {name: getattr(key, name) for name in ("model", "dataset", "attack", "objective", "norm", "epsilon", "scored")}
        | dict(zip(("changed", "reached"), outcome.shares, strict=True))
        for key, outcome in outcomes(rows).items()
    ]
