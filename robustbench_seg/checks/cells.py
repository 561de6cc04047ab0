"""Checks of single cells: failed images, implausible clean metrics, zero gradients, equal results, noise."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

from robustbench_seg.checks.attacks import attack_of
from robustbench_seg.checks.base import (
    Check,
    Evidence,
    Looked,
    Problem,
    cell_name,
    counted,
    each_row,
    listed,
    series_name,
)
from robustbench_seg.results.keys import WORST, AttackConfiguration, attack_name
from robustbench_seg.results.names import curve_metric, metric_name, metric_text
from robustbench_seg.results.rows import Row, Series
from robustbench_seg.tasks.registry import is_task, load_task

_RMS_TOLERANCE = 1e-3
MOST_UNREACHED = 0.1
"""The share of an attack's images that may have a gradient of zero before its numbers are doubted."""


class AllRan(Check):
    """No image of any cell failed. What failed is not doubted: the status of its rows says it."""

    name = "failed"
    wrong = "Some cells failed"
    sound = "All cells ran"
    advice = "give the command again to try them again; run.json lists the errors under failures"

    def look(self, run: Sequence[Evidence]) -> Looked:
        """Every cell."""
        cells = list(each_row(run, lambda evidence: evidence.every_cell))
        problems = [
            Problem(f"{cell_name(row)} (its value is over {counted(row.n_images, 'image') or 'no image'})")
            for evidence, row in cells
            # Where no gradient reached any image, that check says so.
            if row.failed and not evidence.pair.facts(row.key).is_unreached
        ]
        return Looked(counted(len(cells), "cell"), problems, ", none failed")


class CleanIsPlausible(Check):
    """Clean metrics are well above what a model does that knows nothing; each task says what it can believe."""

    name = "implausible_clean"
    wrong = "A clean metric is implausibly bad"
    sound = "Clean metrics are plausible"
    advice = "check the normalisation, the channel order, the range of the input and the order of the classes"

    def look(self, run: Sequence[Evidence]) -> Looked:
        """Every clean metric of a known task."""
        rows = [(e, row) for e, row in each_row(run, lambda e: e.clean) if row.value is not None and is_task(row.task)]
        problems = [
            Problem(f"{_value(row)}, {reason}", evidence.doubts_in(row.task))
            for evidence, row in rows
            if (reason := _implausible(evidence, row))
        ]
        shown = listed(_value(row) for _, row in rows if row.metric == curve_metric(row.task))
        return Looked(counted(len(rows), "clean metric"), problems, f": {shown}")


class GradientsFlow(Check):
    """Gradients reach the images that they are asked for, and attacks that follow them move."""

    name = "no_gradient"
    wrong = "Gradients are zero"
    sound = "Gradients are not zero"
    advice = (
        "find what stops the gradient (rounding, argmax, no_grad, detach), give it a straight-through one, or attack "
        "without gradients (-a square, a transfer attack, an adaptive attack of your own)"
    )

    def look(self, run: Sequence[Evidence]) -> Looked:
        """Every attack that took gradients."""
        asked: dict[tuple[str, Series], list[Row]] = {}
        of_model = {evidence.name: evidence for evidence in run}
        for evidence, row in each_row(run, lambda evidence: evidence.cells):
            if row.epsilon != 0 and evidence.pair.facts(row.key).asked:
                asked.setdefault((evidence.name, row.series), []).append(row)
        problems = [problem for (name, _), rows in asked.items() if (problem := self._problem(of_model[name], rows))]
        return Looked(counted(len(asked), "attack"), problems)

    def _problem(self, evidence: Evidence, rows: Sequence[Row]) -> Problem | None:
        facts = {row: evidence.pair.facts(row.key) for row in rows}
        # An image whose targets are reached already has nothing left to pursue.
        is_targeted = rows[0].objective not in evidence.pair.tasks
        missed = {row: f.asked - f.reached for row, f in facts.items() if not (is_targeted and f.reached)}
        hit = [row for row in missed if missed[row]]
        if not hit:
            return None
        dead = [row for row in hit if missed[row] > MOST_UNREACHED * facts[row].asked]
        worst = max(hit, key=lambda row: missed[row])
        numbers = f"none at {missed[worst]} of {counted(facts[worst].asked, 'image')}"
        text = f"{series_name(hit)}: {numbers}"
        return Problem(text, evidence.doubts_on(*dead), "fail" if dead else "warn")


class ResultsDiffer(Check):
    """Different attacks give different results, unless they are known to be the same."""

    name = "equal_results"
    wrong = "Different attacks have the same results"
    sound = "Different attacks have different results"
    advice = "look at whether one attack runs the other, or a parameter has no effect"

    def look(self, run: Sequence[Evidence]) -> Looked:
        """Every two configurations of one objective and norm at one epsilon."""
        pairs = [(evidence, a, b) for evidence in run for a, b in _comparable(evidence)]
        problems = [
            Problem(f"{cell_name(a)} and {cell_name(b)}", evidence.doubts_on(a, b))
            for evidence, a, b in pairs
            if evidence.pair.facts(a.key).digest == evidence.pair.facts(b.key).digest
        ]
        return Looked(counted(len(pairs), "comparison"), problems)


class NoisePower(Check):
    """The realised RMS of noise is epsilon within a tenth of a per cent."""

    name = "noise_power"
    wrong = "Noise does not have the power asked for"
    sound = "Noise has exactly the power asked for"

    def look(self, run: Sequence[Evidence]) -> Looked:
        """Every noise cell."""
        errors = [
            (evidence, row, abs(row.rms / row.epsilon - 1))
            for evidence, row in each_row(run, lambda evidence: evidence.cells)
            if not row.objective and row.norm == "rms" and row.epsilon and row.rms is not None
        ]
        problems = [
            Problem(f"{cell_name(row)}: RMS {row.rms:.4g}, {100 * error:.2g} % off", evidence.doubts_on(row))
            for evidence, row, error in errors
            if error > _RMS_TOLERANCE
        ]
        most = 100 * max((error for *_, error in errors), default=0.0)
        detail = f", realised RMS at most {most:.2g} % off ε" if errors else ""
        return Looked(counted(len(errors), "noise cell"), problems, detail)


def _implausible(evidence: Evidence, row: Row) -> str:
    """Why the task cannot believe the value; empty where it can."""
    classes = len({each.label for each in evidence.class_rows if (each.attack, each.task) == (row.attack, row.task)})
    return "" if row.value is None else load_task(row.task).implausible(row.metric, row.value, classes)


def _value(row: Row) -> str:
    """Model, data set and a value with its unit."""
    value = metric_text(row.task, row.metric, row.value or 0.0)
    return f"{row.model} on {row.dataset}, {metric_name(row.task, row.metric)} {value}"


def _comparable(evidence: Evidence) -> Iterator[tuple[Row, Row]]:
    """Cells whose results ought to differ: of two attacks that moved and share no name for what they do."""
    cells = [
        row
        for row in evidence.cells
        if row.epsilon
        and attack_name(row.attack) != WORST
        and attack_of(evidence.pair.configuration(row.key)) is not None
        and len(evidence.pair.facts(row.key).images) == evidence.pair.facts(row.key).moved > 1
    ]
    for a, b in itertools.combinations(cells, 2):
        if (a.objective, a.norm, a.epsilon) == (b.objective, b.norm, b.epsilon) and not _is_same(evidence, a, b):
            yield a, b


def _is_same(evidence: Evidence, a: Row, b: Row) -> bool:
    keys = [_cache_key(evidence.pair.configuration(row.key), row) for row in (a, b)]
    return keys[0] is not None and keys[0] == keys[1]


def _cache_key(configuration: AttackConfiguration, row: Row) -> object:
    attack = attack_of(configuration)
    name = None if attack is None else attack.cache_key(row.epsilon or 0.0, row.norm)
    return None if attack is None or name is None else (attack.loss_key(), name)
