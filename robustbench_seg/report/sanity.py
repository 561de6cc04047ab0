"""The sanity verdict of a run: what must hold if attacks, gradients, budgets and models work as they should."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from robustbench_seg.attacks.registry import attack_strength
from robustbench_seg.report.views import Curve, View, views
from robustbench_seg.results.keys import CLEAN, FLOAT, attack_name
from robustbench_seg.results.names import (
    as_scored,
    curve_metric,
    full_name,
    metric_name,
    metric_text,
    perturbation_name,
    strength,
)
from robustbench_seg.results.rows import Row
from robustbench_seg.results.run import Run
from robustbench_seg.tasks.registry import TASKS

Level = Literal["fail", "warn", "ok", "note"]
LEVELS: Mapping[Level, tuple[str, str]] = {
    "fail": ("✗", "failed"),
    "warn": ("!", "to look at"),
    "ok": ("✓", "passed"),
    "note": ("i", "note"),
}
"""Icon and word, from worst to best; a note says what holds for every run, or what could not be checked."""

_SHOWN = 5
_RMS_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Finding:
    """One line of the verdict: how bad it is, what was checked, and the result with its numbers."""

    level: Level
    title: str
    text: str

    @property
    def icon(self) -> str:
        """The sign of its level."""
        return LEVELS[self.level][0]

    @property
    def word(self) -> str:
        """The level as a word."""
        return LEVELS[self.level][1]


@dataclass(frozen=True)
class Evidence:
    """What the checks look at: views, a row per perturbed cell, the clean rows, and numbers of classes."""

    views: Sequence[View]
    cells: Sequence[Row]
    clean: Sequence[Row]
    classes: Mapping[tuple[str, str], int]


def verdict(run: Run) -> list[Finding]:
    """All findings, the worst first."""
    cells = {row.key: row for row in run.rows if row.attack != CLEAN}
    labels: dict[tuple[str, str], set[str]] = {}
    for row in run.class_rows:
        if row.attack == CLEAN:
            labels.setdefault((row.model, row.dataset), set()).add(row.label)
    evidence = Evidence(
        # Rounded to 8 bits a perturbation is another one, which promises neither a power nor an order.
        views([row for row in run.rows if row.scored == FLOAT]),
        list(cells.values()),
        [row for row in run.rows if row.attack == CLEAN],
        {place: len(names) for place, names in labels.items()},
    )
    findings = [*(check(evidence) for check in CHECKS), _UPPER_BOUND]
    return sorted(findings, key=lambda finding: list(LEVELS).index(finding.level))


def all_ran(evidence: Evidence) -> Finding:
    """No image of any cell failed."""
    clean = {(row.model, row.dataset): row for row in evidence.clean}
    failed = [row for row in (*clean.values(), *evidence.cells) if row.failed]
    if not failed:
        return Finding("ok", "All cells ran", f"{len(evidence.cells)} perturbed cells, none failed.")
    listed = _listed([f"{_cell(row)} (its value is over {row.n_images} images)" for row in failed])
    text = f"{len(failed)} of {len(evidence.cells)} cells; they are gaps in the curves: {listed}."
    return Finding("fail", "Some cells failed", text)


def clean_is_plausible(evidence: Evidence) -> Finding:
    """Clean metrics are well above what a model does that knows nothing."""
    known = [row for row in evidence.clean if row.value is not None and row.task in TASKS]
    if not known:
        return Finding("note", "Clean metrics not checked", "The run has no clean metric of a known task.")
    bad = [f"{_value(row)}, {reason}" for row in known if (reason := _implausible(row, evidence))]
    if bad:
        text = f"{_listed(bad)}. Are the normalisation, the channel order and the class order right?"
        return Finding("fail", "A clean metric is implausibly bad", text)
    curves = _listed([_value(row) for row in known if row.metric == curve_metric(row.task)])
    return Finding("ok", "Clean metrics are plausible", f"{curves}.")


def gradients_flow(evidence: Evidence) -> Finding:
    """No attack that uses gradients leaves every image as it was."""
    attacked = [
        row for row in evidence.cells if row.objective and row.epsilon != 0 and row.n_images and row.scored == FLOAT
    ]
    if not attacked:
        return Finding("note", "Gradients not checked", "The run has no attack that uses gradients.")
    dead = [_cell(row) for row in attacked if row.n_unchanged == row.n_images]
    if dead:
        reason = "left every image as it was, because gradients are zero or no image has a target"
        text = f"{len(dead)} of {len(attacked)} attacked cells {reason}: {_listed(dead)}."
        return Finding("fail", "Attacks that changed nothing", text)
    most = max(attacked, key=lambda row: row.n_unchanged / row.n_images)
    text = f"{len(attacked)} attacked cells; in the worst, {most.n_unchanged} of {most.n_images} images are unchanged."
    return Finding("ok", "Gradients are not zero", text)


def order_holds(evidence: Evidence) -> Finding:
    """Attacks hurt in the order of strength they declare, at equal epsilon and within their intervals."""
    pairs = [pair for view in evidence.views for model in view.models for pair in _ordered(view, model)]
    if not pairs:
        return Finding("note", "Order not checked", "No two attacks of known strength ran at the same ε.")
    wrong = [(a, b) for a, b in pairs if a.low > b.high]
    if not wrong:
        text = f"{len(pairs)} comparisons, none the other way round by more than the intervals."
        return Finding("ok", "Stronger attacks do more harm at equal ε", text)
    texts = [f"{_place(a)}, {a.task} {strength(a.epsilon)}: {_ratio(a)}, {_ratio(b)}" for a, b in wrong]
    level: Level = "fail" if any(not b.objective for _, b in wrong) else "warn"
    text = f"{len(wrong)} of {len(pairs)} comparisons, by more than the intervals: {_listed(texts)}. Masked gradients?"
    return Finding(level, "A stronger attack does less harm", text)


def nothing_rises(evidence: Evidence) -> Finding:
    """No Q grows with epsilon by more than its interval."""
    curves = [curve for view in evidence.views for own in (True, False) for curve in view.curves(own)]
    rises = [text for curve in curves if (text := _rise(curve))]
    if rises:
        text = f"{len(rises)} of {len(curves)} curves, by more than their intervals: {_listed(rises)}. A weak attack?"
        return Finding("warn", "A curve rises", text)
    return Finding("ok", "No curve rises", f"{len(curves)} curves, none rises with ε by more than its interval.")


def noise_power(evidence: Evidence) -> Finding:
    """The realised RMS of noise is epsilon within a tenth of a per cent."""
    errors = {
        row: abs(row.rms / row.epsilon - 1)
        for row in evidence.cells
        if not row.objective and row.norm == "rms" and row.epsilon and row.rms is not None and row.scored == FLOAT
    }
    if not errors:
        return Finding("note", "Noise not checked", "The run has no noise.")
    wrong = [
        f"{_cell(row)}: RMS {row.rms:.4g}, {100 * error:.2g} % off"
        for row, error in errors.items()
        if error > _RMS_TOLERANCE
    ]
    if wrong:
        text = f"{len(wrong)} of {len(errors)} noise cells are more than 0.1 % off their ε: {_listed(wrong)}."
        return Finding("fail", "Noise does not have the power asked for", text)
    text = f"{len(errors)} noise cells, their realised RMS at most {100 * max(errors.values()):.2g} % off ε."
    return Finding("ok", "Noise has exactly the power asked for", text)


CHECKS: tuple[Callable[[Evidence], Finding], ...] = (
    all_ran,
    clean_is_plausible,
    gradients_flow,
    order_holds,
    nothing_rises,
    noise_power,
)
_UPPER_BOUND = Finding(
    "note",
    "These numbers are upper bounds",
    "Every attack gives an upper bound on robustness, one of few steps a generous one: a stronger attack can only "
    "lower these curves. The protocol strong, an ensemble of attacks and its worst case, comes nearest to the truth; "
    "fast-strong comes close to it at a fraction of its cost.",
)


def _implausible(row: Row, evidence: Evidence) -> str:
    """Why the task cannot believe the value; empty where it can."""
    classes = evidence.classes.get((row.model, row.dataset), 0)
    return "" if row.value is None else TASKS.get(row.task)().implausible(row.metric, row.value, classes)


def _ordered(view: View, model: str) -> list[tuple[Row, Row]]:
    """Rows of one model at equal epsilon of which the first must be at least as harmful as the second."""
    ranks = {
        row: rank
        for row in view.perturbed
        if row.model == model and row.objective in ("", view.task) and not row.failed and row.ratio is not None
        if row.epsilon and (rank := attack_strength(attack_name(row.attack))) is not None
    }
    return [
        (a, b)
        for a, strong in ranks.items()
        for b, weak in ranks.items()
        if strong > weak and a.epsilon == b.epsilon and (not b.objective or a.norm == b.norm)
    ]


def _rise(curve: Curve) -> str:
    """The first rise of a curve in words, empty where there is none.

    An attack on the task itself starts at the clean Q of 1: it must not improve what it attacks. Noise and attacks
    on another task may, a little.
    """
    lowest = 1.0 if curve.is_own and curve.points[0].objective else math.inf
    before = "1 on clean images"
    for row in (row for row in curve.points if not row.failed and row.ratio is not None):
        if row.low > lowest:
            return f"{_place(row)}, {row.task}: {_ratio(row)} {strength(row.epsilon)} after {before}"
        if row.high < lowest:
            lowest, before = row.high, f"[{row.low:.3f}, {row.high:.3f}] {strength(row.epsilon)}"
    return ""


def _place(row: Row) -> str:
    return f"{row.model} on {row.dataset}"


def _cell(row: Row) -> str:
    return f"{_place(row)}, {as_scored(full_name(row.attack, row.objective), row.scored)} {strength(row.epsilon)}"


def _ratio(row: Row) -> str:
    """Perturbation, Q and its interval."""
    return f"{perturbation_name(row.attack, row.objective)} Q {row.ratio:.3f} [{row.low:.3f}, {row.high:.3f}]"


def _value(row: Row) -> str:
    """Model, data set and a value with its unit."""
    return f"{_place(row)}: {metric_name(row.task, row.metric)} {metric_text(row.task, row.metric, row.value or 0.0)}"


def _listed(texts: Sequence[str]) -> str:
    """The first few texts, and how many more there are."""
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return "; ".join(texts[:_SHOWN]) + more
