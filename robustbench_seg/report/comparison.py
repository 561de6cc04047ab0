"""Comparisons: two numbers, their difference with its intervals and a verdict of a few words; tables of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from robustbench_seg.report.cells import Cell, Line, Table
from robustbench_seg.results.intervals import Interval, holm, normal_p_value, sign_of, verdict

SIGNS = {1: "+", 0: "0", -1: "−"}


@dataclass(frozen=True)
class Estimate:
    """A number, what it is called, and its 95 % interval (None where it has none)."""

    name: str
    value: float
    interval: Interval | None = None


@dataclass(frozen=True)
class Scale:
    """How numbers of a comparison are written: times a factor, with so many decimals and a unit."""

    factor: float = 1.0
    decimals: int = 3
    unit: str = ""

    def number(self, value: float) -> str:
        """The number without its unit: `21.3`."""
        return self._written(value, "")

    def text(self, value: float) -> str:
        """The number with its unit: `21.3 %`."""
        return f"{self.number(value)} {self.unit}".rstrip()

    def signed(self, value: float) -> str:
        """The number with its sign and without its unit: `+2.1`."""
        return self._written(value, "+")

    def bracket(self, interval: Interval) -> str:
        """An interval: `[18.0, 24.9]`."""
        return f"[{', '.join(map(self.number, interval))}]"

    def _written(self, value: float, sign: str) -> str:
        # Adding 0 turns -0.0, which a small negative number is rounded to, into 0.0.
        rounded = round(self.factor * value, self.decimals) + 0.0
        return f"{rounded:{sign}.{self.decimals}f}".replace("-", "−")


PERCENT = Scale(100.0, 1, "%")


@dataclass(frozen=True)
class Comparison:
    """Two numbers side by side, with the intervals of first - second by what they come from (`images`, `seeds`).

    `verdicts` say what it means that the first is larger, and that it is smaller; `margin` is what the difference must
    exceed besides. `expected` is -1 where a finding claims that the first is smaller. Both numbers are over `n_images`.
    `p_value` is that of the difference being 0; None: the largest one of its intervals, with normal errors.
    """

    subject: str
    where: str
    first: Estimate
    second: Estimate
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    verdicts: tuple[str, str] = ("larger", "smaller")
    margin: float = 0.0
    expected: int = 1
    scale: Scale = PERCENT
    p_value: float | None = None
    n_images: int = field(kw_only=True)

    @property
    def difference(self) -> float:
        """The first number minus the second."""
        return self.first.value - self.second.value

    @property
    def larger(self) -> int:
        """1 or -1 where the difference lies on that side of 0 beyond chance and exceeds the margin, else 0."""
        return sign_of(self.difference, self.chance, self.n_images) if abs(self.difference) > self.margin else 0

    @property
    def sign(self) -> int:
        """1 where the difference is as expected, -1 where it is the reverse, 0 where it is open."""
        return self.expected * self.larger

    @property
    def verdict(self) -> str:
        """What can be said, in a few words."""
        return verdict(self.larger, self.chance, self.n_images, *self.verdicts)

    @property
    def chance(self) -> float:
        """The p-value; NaN where there is none."""
        if self.p_value is not None:
            return self.p_value
        return max((normal_p_value(self.difference, bounds) for bounds in self.intervals.values()), default=math.nan)


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The same with their p-values corrected for how many comparisons there are (Holm 1979)."""
    adjusted = holm([compared.chance for compared in comparisons])
    return [replace(compared, p_value=p) for compared, p in zip(comparisons, adjusted, strict=True)]


def comparison_table(
    caption: str, comparisons: Sequence[Comparison], heads: tuple[str, str] = ("first", "second")
) -> Table:
    """One row per comparison: both numbers, the difference with its intervals, sign and verdict."""
    lines = [Line(compared.subject, compared.where, _cells(compared)) for compared in comparisons]
    return Table(caption, "compared", (*heads, "difference", "sign", "verdict"), tuple(lines))


def _cells(compared: Comparison) -> tuple[Cell, ...]:
    scale = compared.scale
    notes = [f"{name} {scale.bracket(interval)}" for name, interval in compared.intervals.items()]
    notes.append(f"n = {compared.n_images}")
    if compared.margin:
        notes.append(f"must exceed {scale.text(compared.margin)}")
    return (
        _number(compared.first, scale),
        _number(compared.second, scale),
        Cell(scale.signed(compared.difference), tuple(notes)),
        Cell(SIGNS[compared.sign]),
        Cell(compared.verdict),
    )


def _number(estimate: Estimate, scale: Scale) -> Cell:
    interval = "" if estimate.interval is None else scale.bracket(estimate.interval)
    return Cell(scale.text(estimate.value), tuple(filter(None, (interval, estimate.name))))
