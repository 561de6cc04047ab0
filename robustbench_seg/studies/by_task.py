"""A run of groups of multi-task networks, seen task by task, and as Δ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from robustbench_seg.report.comparison import Comparison, Estimate, Scale
from robustbench_seg.results.differences import Difference
from robustbench_seg.results.gains import Gain, gains_of
from robustbench_seg.results.groups import Group
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.names import curve_metric, metric_of, task_name
from robustbench_seg.results.run import Run
from robustbench_seg.studies.grouped import Grouped, Place

DELTA = Scale(decimals=1, unit="%")


@dataclass(frozen=True, eq=False)
class ByTask:
    """One run with its models in groups (by seed); a group may hold models of one task each.

    `scales` say how each task's metric is written.
    """

    run: Run
    groups: Mapping[str, Sequence[str]]
    scales: Mapping[str, Scale]
    _gains: dict[str, Sequence[Gain]] = field(default_factory=dict, init=False, repr=False)

    @property
    def n_images(self) -> int:
        """How many images were looked at."""
        return max(row.n_images for row in self.run.rows)

    @cached_property
    def against(self) -> Mapping[tuple[str, str], Grouped]:
        """By group and task: the models that have the task, the other groups compared with this one."""
        return {(first, task): self._grouped(first, task) for first in self.groups for task in self.scales}

    def gains(self, first: str) -> Sequence[Gain]:
        """Δ of every other group against this one."""
        if first not in self._gains:
            self._gains[first] = gains_of([self.run], self._groups(first)).gains
        return self._gains[first]

    def differences(self, first: str) -> Sequence[Difference]:
        """Every metric of every task of each group against this one's."""
        by_task = {task: self.against[first, task].all_differences for task in self.scales}
        return [found for task, differences in by_task.items() for found in differences if found.task == task]

    def clean(self, dataset: str, first: str, second: str) -> Iterator[Comparison]:
        """The clean metric of every task of the second group against the first, and Δ; better is expected."""
        for task, scale in self.scales.items():
            expected = 1 if metric_of(task, curve_metric(task)).higher_is_better else -1
            found = self.against[first, task].comparison(second, Place(dataset), expected=expected, scale=scale)
            if found:
                yield _named(found, task, first, second)
        for gain in self.gains(first):
            if (gain.second, gain.dataset, gain.attack) == (second, dataset, CLEAN):
                yield _compared(gain)

    def retained(self, first: str, second: str, places: Sequence[Place], expected: int) -> Iterator[Comparison]:
        """Q of every task in these places, other than those whose objective is the task itself."""
        for task in self.scales:
            mine = [(second, place) for place in places if place.objective != task]
            for found in self.against[first, task].comparisons(mine):
                yield replace(_named(found, task, first, second), expected=expected)

    def _grouped(self, first: str, task: str) -> Grouped:
        mine = {row.model for row in self.run.rows if row.task == task}
        groups = {group.name: [model for model in group.models if model in mine] for group in self._groups(first)}
        return Grouped(self.run, groups, curve_metric(task))

    def _groups(self, first: str) -> list[Group]:
        return [Group(name, tuple(models)) for name, models in {first: self.groups[first], **self.groups}.items()]


def _named(compared: Comparison, task: str, first: str, second: str) -> Comparison:
    return replace(compared, subject=f"{task_name(task)}, {second} and {first}")


def _compared(gain: Gain) -> Comparison:
    """Δ beside none at all."""
    return Comparison(
        f"Δ, {gain.pair}",
        f"{gain.dataset}, {gain.attack}",
        Estimate("", gain.gain),
        Estimate("", 0.0),
        gain.intervals,
        ("better", "worse"),
        scale=DELTA,
        p_value=gain.p_value,
        n_images=gain.n_images,
    )
