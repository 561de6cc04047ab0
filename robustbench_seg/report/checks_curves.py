"""Checks across epsilons and attacks: stronger attacks hurt more, larger epsilons hurt more."""

from __future__ import annotations

import math

from robustbench_seg.report.finding import Evidence, Finding, Level, listed, place_text, ratio_text
from robustbench_seg.report.names import strength
from robustbench_seg.report.views import Curve, View
from robustbench_seg.results.keys import attack_name
from robustbench_seg.results.rows import Row

_ORDER = (
    ("fgsm", "gaussian"),
    ("fgsm", "salt_and_pepper"),
    ("pgd", "gaussian"),
    ("pgd", "salt_and_pepper"),
    ("pgd", "fgsm"),
)
"""Attacks that must hurt at least as much as their second at the same epsilon."""


def order_holds(evidence: Evidence) -> Finding:
    """PGD, FGSM and noise come in this order at equal epsilon, within their intervals."""
    pairs = [pair for view in evidence.views for model in view.models for pair in _pairs(view, model)]
    if not pairs:
        return Finding("note", "Order not checked", "The run has no two of PGD, FGSM and noise at the same ε.")
    wrong = [(a, b) for a, b in pairs if a.low > b.high]
    if not wrong:
        text = f"{len(pairs)} comparisons, none the other way round by more than the intervals."
        return Finding("ok", "PGD ≤ FGSM ≤ noise at equal ε", text)
    texts = [f"{place_text(a)}, {a.task} {strength(a.epsilon)}: {ratio_text(a)}, {ratio_text(b)}" for a, b in wrong]
    level: Level = "fail" if any(not b.objective for _, b in wrong) else "warn"
    text = f"{len(wrong)} of {len(pairs)} comparisons, by more than the intervals: {listed(texts)}. Masked gradients?"
    return Finding(level, "A stronger attack does less harm", text)


def _pairs(view: View, model: str) -> list[tuple[Row, Row]]:
    """Rows of one model at equal epsilon that must be in order, the stronger first."""
    known = [
        row
        for row in view.perturbed
        if row.model == model and row.objective in ("", view.task) and not row.failed and row.ratio is not None
    ]
    return [
        (a, b)
        for strong, weak in _ORDER
        for a in known
        for b in known
        if (attack_name(a.attack), attack_name(b.attack)) == (strong, weak)
        and a.epsilon == b.epsilon
        and _comparable(a, b)
    ]


def _comparable(a: Row, b: Row) -> bool:
    return bool(a.epsilon) and (not b.objective or a.norm == b.norm)


def nothing_rises(evidence: Evidence) -> Finding:
    """No Q grows with epsilon by more than its interval."""
    curves = [curve for view in evidence.views for own in (True, False) for curve in view.curves(own)]
    rises = [text for curve in curves if (text := _rise(curve))]
    if rises:
        text = f"{len(rises)} of {len(curves)} curves, by more than their intervals: {listed(rises)}. A weak attack?"
        return Finding("warn", "A curve rises", text)
    return Finding("ok", "No curve rises", f"{len(curves)} curves, none rises with ε by more than its interval.")


def _rise(curve: Curve) -> str:
    """The first rise of a curve in words, empty where there is none.

    An attack on the task itself starts at the clean Q of 1: it must not improve what it attacks. Noise and attacks
    on another task may, a little.
    """
    lowest = 1.0 if curve.is_own and curve.points[0].objective else math.inf
    before = "1 on clean images"
    for row in (row for row in curve.points if not row.failed and row.ratio is not None):
        if row.low > lowest:
            return f"{place_text(row)}, {row.task}: {ratio_text(row)} {strength(row.epsilon)} after {before}"
        if row.high < lowest:
            lowest, before = row.high, f"[{row.low:.3f}, {row.high:.3f}] {strength(row.epsilon)}"
    return ""


def upper_bound(evidence: Evidence) -> Finding:
    """What holds for every run of these attacks."""
    text = (
        "PGD of 20 steps or fewer is an upper bound on robustness: more steps, restarts or an ensemble of attacks can "
        "only lower these curves."
    )
    return Finding("note", "These numbers are upper bounds", text)
