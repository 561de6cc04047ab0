"""The cheapest attacks whose worst case is near that of a strong ensemble: chosen on some images, judged on others."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robustbench_seg.results.pair import PairResults
from robustbench_seg.results.store import StoredCell
from robustbench_seg.results.worst import worst_cell
from robustbench_seg.tasks.base import Task

Images = Sequence[int]
Place = tuple[str, float]
"""A model and an ε."""


@dataclass(frozen=True)
class Chosen:
    """A set of attacks by label, its gradients per image and ε, and how far its worst case is above the strong one.

    `above` is over the images it was chosen on, `judged` over the others, in units of the metric.
    """

    labels: tuple[str, ...]
    gradients: float
    above: Mapping[Place, float]
    judged: Mapping[Place, float]


@dataclass(frozen=True)
class Attacked:
    """What attacks on a task of one model have left, by label and ε, all in `linf`."""

    task: Task
    cells: Mapping[tuple[str, float], StoredCell]

    @classmethod
    def read(cls, pair: PairResults, task: str, labels: Collection[str]) -> Attacked:
        """Read the cells of these labels from the store."""
        keys = [key for key in pair.cells if key.attack in labels and key.objective == task]
        return cls(pair.tasks[task], {(key.attack, key.epsilon or 0.0): pair.cell(key) for key in keys})

    def worst(self, labels: Collection[str], epsilon: float, images: Images) -> float:
        """The metric that Q is drawn of, over `images`, of the worst case over attacks at this ε and below."""
        wanted = set(images)
        cells = [
            StoredCell([result for result in cell.results if result.image in wanted], cell.statistics)
            for (label, size), cell in self.cells.items()
            if label in labels and size <= epsilon
        ]
        chosen = worst_cell(cells, self.task, by_image=False).statistics[self.task.name]
        statistics = [chosen[image] for image in images]
        values = self.task.values(statistics, np.ones((1, len(images))), self.task.scored(statistics))
        return float(values.overall[self.task.curve][0])


def choose(
    attacked: Mapping[str, Attacked],
    costs: Mapping[str, float],
    strong: Mapping[Place, Sequence[float]],
    halves: tuple[Images, Images],
    most: float,
    margin: float,
) -> Chosen | None:
    """The cheapest one or two attacks whose worst case on the first half is within `margin` of the strong one.

    `attacked` is by model, `costs` are gradients per image and ε by label, at most `most` together; `strong` is the
    worst case to reach on either half. None where no set reaches it.
    """
    sets = [labels for count in (1, 2) for labels in itertools.combinations(costs, count)]
    for labels in sorted(sets, key=lambda labels: sum(costs[label] for label in labels)):
        gradients = sum(costs[label] for label in labels)
        if gradients > most:
            break
        above, judged = (
            {
                place: attacked[place[0]].worst(labels, place[1], images) - values[half]
                for place, values in strong.items()
            }
            for half, images in enumerate(halves)
        )
        if max(above.values()) <= margin:
            return Chosen(labels, gradients, above, judged)
    return None
