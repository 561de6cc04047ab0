"""One difference between two groups of models, its intervals, and what they allow to say."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_seg.report.rows import aim

NOT_TOLD_APART = "not told apart"


@dataclass(frozen=True)
class Difference:
    """One number of group `second` (B) minus that of group `first` (A), in one cell, over the same images.

    `a` and `b` are means over the trainings (`seeds_a`, `seeds_b`) of the group, in the unit of the metric for the
    quantity `value`, shares for `ratio`. `direction` is what is better of the metric; Q is better the higher it is.
    `epsilon` is in grey values (None: unbounded; 0 for the attack `clean`, which has no ratio). `image_low` and
    `image_high` bound the interval from images, `seed_low` and `seed_high` that from seeds; None without one.
    """

    first: str
    second: str
    dataset: str
    task: str
    metric: str
    direction: str
    attack: str
    objective: str
    norm: str
    epsilon: float | None
    quantity: str
    a: float
    b: float
    difference: float
    image_low: float | None
    image_high: float | None
    seed_low: float | None
    seed_high: float | None
    seeds_a: int
    seeds_b: int

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The intervals that are there, by what they come from: `images`, `seeds`."""
        ends = {"images": (self.image_low, self.image_high), "seeds": (self.seed_low, self.seed_high)}
        return {name: (low, high) for name, (low, high) in ends.items() if low is not None and high is not None}

    @property
    def open_by(self) -> tuple[str, ...]:
        """The intervals that hold 0."""
        return tuple(name for name, (low, high) in self.intervals.items() if low <= 0 <= high)

    @property
    def verdict(self) -> str:
        """`higher` or `lower`: B against A where every interval there is excludes 0; else `not told apart`."""
        bounds = self.intervals.values()
        if bounds and all(low > 0 for low, _ in bounds):
            return "higher"
        return "lower" if bounds and all(high < 0 for _, high in bounds) else NOT_TOLD_APART

    @property
    def series(self) -> tuple[str, str, str]:
        """The perturbation, whatever its radius."""
        return self.attack, self.objective, self.norm

    @property
    def is_own(self) -> bool:
        """Whether the task measured is the one attacked (noise attacks every task)."""
        return aim(self.objective) in ("", self.task)
