"""Comparing groups of models cell by cell: over the same images where stores allow it, else by the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown
from robustbench_seg.report.differences.difference import Difference
from robustbench_seg.report.differences.groups import Group
from robustbench_seg.report.differences.meeting import Meeting
from robustbench_seg.report.differences.numbers import Place, is_compared, place
from robustbench_seg.report.differences.obstacles import obstacle
from robustbench_seg.report.differences.sources import Source, opened
from robustbench_seg.report.differences.stored import StoredPlace
from robustbench_seg.report.merge import model_names
from robustbench_seg.report.rows import Row, Run, rows, unique

_Table = Mapping[Place, Mapping[str, Mapping[str, Sequence[Row]]]]


@dataclass(frozen=True)
class Comparison:
    """The groups, their differences pair by pair, and why some have no interval or are left out."""

    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def compare(runs: Sequence[Run], groups: Sequence[Group], pairs: Sequence[tuple[str, str]] | None = None) -> Comparison:
    """Every metric with a direction, clean and attacked, in every cell and task that both groups of a pair have.

    `groups` hold models as they are called among all runs (`merge.model_names`); `pairs` are names of groups, by
    default the first against each other one. Numbers are over the images that count for every model of both groups
    and come with an interval from the same resamples of them; where a store is missing they come from summary.csv,
    without one. Raises UsageError for a pair of unknown groups.
    """
    chosen = _chosen(groups, pairs)
    names = model_names(runs)
    found: list[list[Difference]] = [[] for _ in chosen]
    notes: list[str] = []
    with opened(runs, names) as sources:
        for where, tasks in _by_place(runs, names).items():
            here = {model: source for (model, dataset), source in sources.items() if dataset == where.dataset}
            stored = StoredPlace(where, here)
            for task, measured in tasks.items():
                for (first, second), into in zip(chosen, found, strict=True):
                    meeting = Meeting(first, second, where, task, measured)
                    made, said = _differences(meeting, here, stored) if meeting.takes_place else ([], [])
                    into += made
                    notes += said
    return Comparison(tuple(groups), tuple(one for each in found for one in each), tuple(unique(notes)))


def _differences(
    meeting: Meeting, sources: Mapping[str, Source], stored: StoredPlace
) -> tuple[list[Difference], list[str]]:
    """The differences of one meeting, and notes on what they lack."""
    blocked = obstacle({model: sources.get(model) for model in meeting.models}, meeting.place, meeting.task)
    if blocked is None:
        return meeting.differences(stored.numbers(meeting.models, meeting.task)), []
    lacking = "no interval from images" if blocked.is_same_measurement else "no interval"
    notes = [f"{meeting.title}: {lacking}, {blocked.reason}."]
    if not meeting.is_whole:
        notes.append(
            f"{meeting.title}: cells with other images for each are left out, for want of a store to pair them."
        )
        return [], notes
    return meeting.differences(meeting.tabled(), with_seeds=blocked.is_same_measurement), notes


def _chosen(groups: Sequence[Group], pairs: Sequence[tuple[str, str]] | None) -> list[tuple[Group, Group]]:
    known = {group.name: group for group in groups}
    wanted = [(groups[0].name, group.name) for group in groups[1:]] if pairs is None else pairs
    for name in (name for pair in wanted for name in pair):
        if name not in known:
            raise UsageError(unknown("group", name, known))
    return [(known[first], known[second]) for first, second in wanted]


def _by_place(runs: Sequence[Run], names: Sequence[Mapping[str, str]]) -> _Table:
    """The rows of summary.csv by cell, task and model, in order of appearance."""
    table: dict[Place, dict[str, dict[str, list[Row]]]] = {}
    for run, shown in zip(runs, names, strict=True):
        for row in filter(is_compared, rows(run.summary)):
            models = table.setdefault(place(row), {}).setdefault(row.task, {})
            models.setdefault(shown[row.model], []).append(row)
    return table
