"""Checks of single cells: they ran, gradients moved them, noise has its power, clean metrics are plausible."""

from __future__ import annotations

from robustbench_seg.report.finding import Evidence, Finding, cell_text, listed, place_text, value_text
from robustbench_seg.report.names import curve_metric
from robustbench_seg.results.rows import Row
from robustbench_seg.tasks.registry import TASKS

_RMS_TOLERANCE = 1e-3


def all_ran(evidence: Evidence) -> Finding:
    """No image of any cell failed."""
    clean = {(row.model, row.dataset): row for row in evidence.clean}
    failed = [row for row in (*clean.values(), *evidence.cells) if row.failed]
    if not failed:
        return Finding("ok", "All cells ran", f"{len(evidence.cells)} perturbed cells, none failed.")
    texts = [f"{place_text(row)}, {cell_text(row)} (its value is over {row.n_images} images)" for row in failed]
    text = f"{len(failed)} of {len(evidence.cells)} cells; they are gaps in the curves: {listed(texts)}."
    return Finding("fail", "Some cells failed", text)


def gradients_flow(evidence: Evidence) -> Finding:
    """No attack that uses gradients leaves every image as it was."""
    attacked = [row for row in evidence.cells if row.objective and row.epsilon != 0 and row.n_images]
    if not attacked:
        return Finding("note", "Gradients not checked", "The run has no attack that uses gradients.")
    dead = [f"{place_text(row)}, {cell_text(row)}" for row in attacked if row.n_unchanged == row.n_images]
    if dead:
        text = (
            f"{len(dead)} of {len(attacked)} attacked cells left every image as it was, because gradients are zero or "
            f"no image has a target: {listed(dead)}."
        )
        return Finding("fail", "Attacks that changed nothing", text)
    most = max(attacked, key=lambda row: row.n_unchanged / row.n_images)
    text = f"{len(attacked)} attacked cells; in the worst, {most.n_unchanged} of {most.n_images} images are unchanged."
    return Finding("ok", "Gradients are not zero", text)


def noise_power(evidence: Evidence) -> Finding:
    """The realised RMS of noise is epsilon within a tenth of a per cent."""
    off = {
        row: abs(row.rms / row.epsilon - 1)
        for row in evidence.cells
        if not row.objective and row.norm == "rms" and row.epsilon and row.rms is not None
    }
    if not off:
        return Finding("note", "Noise not checked", "The run has no noise.")
    wrong = [
        f"{place_text(row)}, {cell_text(row)}: RMS {row.rms:.4g}, {100 * error:.2g} % off"
        for row, error in off.items()
        if error > _RMS_TOLERANCE
    ]
    if wrong:
        text = f"{len(wrong)} of {len(off)} noise cells are more than 0.1 % off their ε: {listed(wrong)}."
        return Finding("fail", "Noise does not have the power asked for", text)
    text = f"{len(off)} noise cells, their realised RMS at most {100 * max(off.values()):.2g} % off ε."
    return Finding("ok", "Noise has exactly the power asked for", text)


def clean_is_plausible(evidence: Evidence) -> Finding:
    """Clean metrics are well above what a model does that knows nothing."""
    known = [row for row in evidence.clean if row.value is not None and row.task in TASKS]
    if not known:
        return Finding("note", "Clean metrics not checked", "The run has no clean metric of a known task.")
    bad = [f"{value_text(row)}, {reason}" for row in known if (reason := _implausible(row, evidence))]
    if bad:
        text = f"{listed(bad)}. Are the normalisation, the channel order and the class order right?"
        return Finding("fail", "A clean metric is implausibly bad", text)
    curves = [value_text(row) for row in known if row.metric == curve_metric(row.task)]
    return Finding("ok", "Clean metrics are plausible", f"{listed(curves)}.")


def _implausible(row: Row, evidence: Evidence) -> str:
    """Why the task cannot believe the value; empty where it can."""
    classes = evidence.classes.get((row.model, row.dataset), 0)
    return "" if row.value is None else TASKS.get(row.task)().implausible(row.metric, row.value, classes)
