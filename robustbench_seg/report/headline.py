"""The result at a glance: what every model retains under one noise and one attack, with a one-line verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from robustbench_seg.attacks.registry import attack_strength
from robustbench_seg.report import corruptions
from robustbench_seg.report.cells import DASH, Line, Table, doubted, text_cells
from robustbench_seg.report.corruptions import summary_table
from robustbench_seg.report.outcomes import Outcome, outcomes
from robustbench_seg.report.scores import MEANING, score_table
from robustbench_seg.report.section import Material, Part, Section
from robustbench_seg.report.views import View
from robustbench_seg.results.findings import red
from robustbench_seg.results.intervals import MIN_IMAGES, OPEN, UNKNOWN, too_few
from robustbench_seg.results.keys import FLOAT, attack_name
from robustbench_seg.results.names import metric_name, metric_text, perturbation_name, strength
from robustbench_seg.results.rows import Row

_HEADS = ("metric", "under", "clean", "perturbed", "change", "95 % interval", "verdict")
_CAPTION = "Change of the retained performance Q from 1 (unharmed), in percentage points"
_READING = "Where models are compared, the paired differences decide, which robustseg compare and plot compute."


def section(material: Material) -> Sequence[Section]:
    """Robustness scores and means over corruptions where there are some; one row per model and quoted perturbation."""
    reached = outcomes(material.run.rows)
    lines = tuple(_line(view, row, reached.get(row.key)) for view in material.views for row in quoted(view))
    summaries, scores = material.run.corruption_rows, material.run.score_rows
    if not (lines or summaries):
        nothing = ["No perturbed cell has a value yet."]
        return [Section("results", "Results", "Results", nothing, findings=red(material.run.findings))]
    tables = [
        *([score_table(scores)] if scores else []),
        *([summary_table(summaries)] if summaries else []),
        *([Table(_CAPTION, "model", _HEADS, lines)] if lines else []),
    ]
    intro = [*([MEANING] if scores else []), *([corruptions.MEANING] if summaries else []), _READING]
    return [Section("results", "Results", "Results", intro, [Part(tables=tables)], findings=red(material.run.findings))]


def quoted(view: View) -> list[Row]:
    """Each model under the strongest noise and attack, at the epsilon nearest to 1 they share, or each at its own."""
    own = [row for row in view.perturbed if row.is_own and row.scored == FLOAT and row.epsilon != 0]
    rows = [row for row in own if not row.failed and row.ratio is not None]
    kinds = ([row for row in rows if not row.objective], [row for row in rows if row.objective])
    chosen = [max(kind, key=_strength).series for kind in kinds if kind]
    grids = {series: {row.epsilon for row in rows if row.series == series} for series in chosen}
    shared = set.intersection(*grids.values()) if grids else set()
    places = [(series, _nearest_to_one(shared or grid)) for series, grid in grids.items()]
    by_place = {(row.model, row.series, row.epsilon): row for row in rows}
    return [row for model in view.models for place in places if (row := by_place.get((model, *place)))]


def _strength(row: Row) -> int:
    declared = attack_strength(attack_name(row.attack))
    return -1 if declared is None else declared


def _nearest_to_one(grid: set[float | None]) -> float | None:
    bounded = [epsilon for epsilon in grid if epsilon]
    return min(bounded, key=lambda epsilon: (abs(math.log(epsilon)), epsilon)) if bounded else None


def _line(view: View, row: Row, outcome: Outcome | None) -> Line:
    has_interval = row.ratio_low is not None
    texts = (
        f"{view.title}: {metric_name(row.task, row.metric)}",
        f"{perturbation_name(row.attack, row.objective, row.norm)} {strength(row.epsilon)}",
        *(DASH if v is None else metric_text(row.task, row.metric, v) for v in (row.clean, row.value)),
        _points(row.ratio or 0.0),
        f"[{_points(row.low)}, {_points(row.high)}]" if has_interval else "none",
        _verdict(row) if has_interval or row.doubts else UNKNOWN,
    )
    what, under, *numbers, interval, verdict = text_cells(*texts)
    small = (outcome.text,) if outcome and outcome.text else ()
    over = (f"n = {row.n_images}",)
    return Line(row.model, "", (what, replace(under, small=small), *numbers, replace(interval, small=over), verdict))


def _points(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}".replace("-", "−")


def _verdict(row: Row) -> str:
    if row.doubts:
        return doubted(row)
    if row.n_images < MIN_IMAGES:
        return too_few(row.n_images)
    if row.high < 1:
        return "harmed"
    return "improved" if row.low > 1 else f"{OPEN} from clean"
