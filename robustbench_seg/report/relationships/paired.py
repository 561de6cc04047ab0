"""Values under each bootstrap sample, from the stores of runs: what intervals of differences need."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from robustbench_seg.report.relationships.contrast import Floats, Key
from robustbench_seg.results.keys import CellKey
from robustbench_seg.results.measurements import Measurements, Unpaired
from robustbench_seg.results.pair import RATIO, VALUE
from robustbench_seg.results.run import Run


def draws(runs: Sequence[Run], wanted: Collection[Key]) -> dict[Key, Floats]:
    """The values (R,) of the wanted cells under each bootstrap sample; none of a cell that no store has any more.

    The values are ratios Q, or the perturbed metric itself where it has no direction (the shape of boxes).
    """
    cells: dict[tuple[CellKey, str], list[Key]] = {}
    for key in wanted:
        cells.setdefault((CellKey(*key[:6]), key.task), []).append(key)
    found: dict[Key, Floats] = {}
    with Measurements(runs) as measurements:
        for cell, task in sorted(cells, key=repr):
            values = measurements.paired([cell], task)
            if isinstance(values, Unpaired) or not values:
                continue
            for key in cells[cell, task]:
                has_direction = values[0].task.metric(key.metric).higher_is_better is not None
                sample = values[0].sample(key.metric, RATIO if has_direction else VALUE, key.label)
                if sample.resampled is not None:
                    found[key] = sample.resampled
    return found
