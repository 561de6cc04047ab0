"""The section of a comparison's page on Δ: the mean relative gain over several tasks, by perturbation and epsilon."""

from __future__ import annotations

from collections.abc import Sequence

from robustbench_seg.report.cells import DASH, Cell, Table
from robustbench_seg.report.section import Material, Part, Section
from robustbench_seg.report.tables import by_epsilon
from robustbench_seg.results.gains import LEAST_LEFT, Gain
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.names import as_scored, images_text, perturbation_name, task_name
from robustbench_seg.results.rows import unique

_READING = (
    "Δ is the mean over the tasks of the relative change of each one's metric against the reference, in per cent: "
    "above 0 is better (Vandenhende 2020). Under an attack each task is measured under the attack on itself; a "
    "perturbation of only some of the tasks has no Δ."
)
_CHANCE = (
    "Verdicts are corrected for all {} values of Δ here (Holm). Where the reference keeps less than {} of its clean "
    "metric in some task there is no verdict: a change relative to almost nothing says nothing."
)


def section(material: Material) -> Sequence[Section]:
    """One table per data set and pair of groups; none where no two groups share two tasks."""
    gains = material.gains.gains
    if not gains:
        return []
    intro = (_READING, _CHANCE.format(len(gains), f"{100 * LEAST_LEFT:g} %"))
    part = Part(tables=gains_tables(gains))
    return [Section("gains", "Δ", "Gain over several tasks", intro, [part], material.gains.notes)]


def gains_tables(gains: Sequence[Gain]) -> list[Table]:
    """One table per data set and pair of groups."""
    pairs = dict.fromkeys((gain.dataset, gain.pair) for gain in gains)
    return [_table([gain for gain in gains if (gain.dataset, gain.pair) == pair]) for pair in pairs]


def _table(gains: Sequence[Gain]) -> Table:
    """Δ of one pair; the clean one is the first row."""
    first = gains[0]
    tasks = ", ".join(map(task_name, unique([task for gain in gains for task in gain.tasks])))
    trainings = f", {first.seeds} trainings each" if first.seeds > 1 else ""
    over = images_text([gain.n_images for gain in gains])
    caption = f"{first.pair} on {first.dataset}: Δ in per cent over {tasks}{trainings}, {over}"
    labels = {gain.series: _name(gain) for gain in gains}
    return by_epsilon(caption, gains, labels, _cell)


def _name(gain: Gain) -> str:
    if gain.attack == CLEAN:
        return "clean"
    return as_scored(perturbation_name(gain.attack, "", gain.norm), gain.scored)


def _cell(gain: Gain | None) -> Cell:
    if gain is None:
        return Cell(DASH)
    bounds = [f"{name} [{_signed(low)}, {_signed(high)}]" for name, (low, high) in gain.intervals.items()]
    return Cell(_signed(gain.gain), (*(bounds or ["no interval"]), gain.verdict))


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")
