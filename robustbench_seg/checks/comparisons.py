"""Checks that compare cells: what is stronger must do more harm, over the same images and beyond chance."""

from __future__ import annotations

import itertools
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from robustbench_seg.attacks.registry import attack_strength
from robustbench_seg.checks.attacks import Curve, Kind, attack_of, curves
from robustbench_seg.checks.base import Check, Evidence, Looked, Problem, counted
from robustbench_seg.results.findings import Doubt, Level
from robustbench_seg.results.intervals import LEVEL, MIN_IMAGES, holm
from robustbench_seg.results.names import perturbation_name, short_task_name, strength
from robustbench_seg.results.rows import Row
from robustbench_seg.results.sample import Sample, combined
from robustbench_seg.results.worst import NESTED


@dataclass(frozen=True, eq=False)
class Claim:
    """That Q under `strong` is not above Q under `weak`, which is what `difference` is of; `doubts` if it is."""

    difference: Sample
    text: str
    doubts: frozenset[Doubt] = frozenset()
    level: Level = "fail"


def examined(claims: Sequence[Claim]) -> Looked:
    """The claims that do not hold, beyond chance and corrected for how many there are (Holm 1979)."""
    adjusted = holm([claim.difference.p_value for claim in claims])
    problems = [
        Problem(f"{claim.text} (Q {claim.difference.value:.3f} above)", claim.doubts, claim.level)
        for claim, p in zip(claims, adjusted, strict=True)
        if claim.difference.value > 0 and p < 1 - LEVEL
    ]
    too_few = f"No comparison over {MIN_IMAGES} images or more."
    detail = ", none the other way round beyond chance (Holm)" if claims else too_few
    return Looked(counted(len(claims), "comparison"), problems, detail)


class ComparisonCheck(Check):
    """A check that makes claims of the curves of one model on one data set."""

    def look(self, run: Sequence[Evidence]) -> Looked:
        """Every claim over enough images."""
        known = [evidence for evidence in run if evidence.pair.n_images >= MIN_IMAGES]
        return examined([claim for evidence in known for claim in self.claims(list(curves(evidence)))])

    @abstractmethod
    def claims(self, known: Sequence[Curve]) -> Iterator[Claim]:
        """What must hold."""


class WhiteBoxesAreStrongest(ComparisonCheck):
    """The strongest white box on a task's own metric is no weaker than noise or a black box of equal power.

    Noise is compared at the realised RMS of the attack, linearly between its own (Q is 1 at an RMS of 0), a black box
    at the same epsilon of the same norm. A black box is an attack that takes no gradient of the model: also one whose
    perturbation was made elsewhere.
    """

    name = "masked_gradient"
    wrong = "A white box attack is weaker than noise or a black box"
    sound = "White boxes are stronger than noise and black boxes"
    advice = (
        "gradients are masked: try another loss (--set apgd.loss=…), a black box (-a square), an attack of your own"
    )

    def claims(self, known: Sequence[Curve]) -> Iterator[Claim]:
        """Every epsilon of every task and norm."""
        for place, strongest in _strongest(known).items():
            white = frozenset().union(*(_doubts(curve) for curve in _of(known, place, Kind.WHITE_BOX, Kind.WORST_CASE)))
            for row in strongest:
                for noise in (curve for curve in known if curve.kind is Kind.NOISE and curve.task == row.task):
                    if (there := _noise_at(noise, row)) is not None:
                        other = f"{_title(noise)} of the same RMS"
                        yield Claim(_ratio(noise, row) - there, f"{_title_of(row)} against {other}", white)
                for black in _of(known, place, Kind.BLACK_BOX):
                    for other_row in (each for each in black.rows if each.epsilon == row.epsilon):
                        text = f"{_title_of(row)} against {_title(black)}"
                        yield Claim(_difference(black, row, other_row), text, white)


class MoreStepsHelp(ComparisonCheck):
    """An attack of more steps does no less harm than the same one of fewer."""

    name = "more_steps"
    wrong = "More steps make an attack weaker"
    sound = "More steps do not weaken an attack"
    advice = "try another step size (--set ATTACK.alpha=…), or apgd, which chooses its own"

    def claims(self, known: Sequence[Curve]) -> Iterator[Claim]:
        """Every two configurations that differ in the number of steps alone, at every epsilon they share."""
        white = [curve for curve in known if curve.kind is Kind.WHITE_BOX]
        for fewer, more in itertools.permutations(white, 2):
            if fewer.place == more.place and _is_longer(more, fewer):
                by_epsilon = {row.epsilon: row for row in fewer.rows}
                for row in (row for row in more.rows if row.epsilon in by_epsilon):
                    text = f"{_title_of(row)} against fewer steps"
                    yield Claim(_difference(more, row, by_epsilon[row.epsilon]), text, _doubts(more, row))


class LargerEpsilonsHelp(ComparisonCheck):
    """No Q grows with epsilon; least of all that of the strongest white box, or above that of the clean images."""

    name = "rising_curve"
    wrong = "A curve rises"
    sound = "No curve rises"
    advice = "a weak attack: try more steps, another loss, or the protocol strong"

    def claims(self, known: Sequence[Curve]) -> Iterator[Claim]:
        """Every step of every curve to the next epsilon; single attacks and noise are only to look at."""
        for place, strongest in _strongest(known).items():
            white = _of(known, place, Kind.WHITE_BOX)
            # Where balls are nested a worst case has what was found in smaller ones, whatever the attacks do.
            worst = [] if place[1] == NESTED else _of(known, place, Kind.WORST_CASE)
            yield from _rises(white[0], strongest, "strongest white box", [*white, *worst])
        for curve in known:
            yield from _rises(curve, curve.rows, _title(curve), [])


class StrongerAttacksHelp(ComparisonCheck):
    """Attacks do harm in the order of strength they declare, at equal epsilon and norm."""

    name = "attack_order"
    wrong = "A stronger attack does less harm"
    sound = "Stronger attacks do more harm at equal ε"

    def claims(self, known: Sequence[Curve]) -> Iterator[Claim]:
        """Every two attacks with a declared strength at every epsilon that they share."""
        ranked = [
            (curve, rank) for curve in known if curve.kind is not Kind.NOISE and (rank := _rank(curve)) is not None
        ]
        for (strong, above), (weak, below) in itertools.permutations(ranked, 2):
            if above > below and strong.place == weak.place:
                by_epsilon = {row.epsilon: row for row in weak.rows}
                for row in (row for row in strong.rows if row.epsilon in by_epsilon):
                    text = f"{_title_of(row)} against {_title(weak)}"
                    yield Claim(_difference(strong, row, by_epsilon[row.epsilon]), text, level="warn")


def _strongest(known: Sequence[Curve]) -> Mapping[tuple[str, str], list[Row]]:
    """By task and norm the row of the white box that leaves least, for every epsilon."""
    best: dict[tuple[str, str], dict[float, Row]] = {}
    for curve in (curve for curve in known if curve.kind is Kind.WHITE_BOX):
        rows = best.setdefault(curve.place, {})
        for row in curve.rows:
            epsilon = row.epsilon or 0.0
            if epsilon not in rows or (row.ratio or 0.0) < (rows[epsilon].ratio or 0.0):
                rows[epsilon] = row
    return {place: [rows[epsilon] for epsilon in sorted(rows)] for place, rows in best.items()}


def _of(known: Sequence[Curve], place: tuple[str, str], *kinds: Kind) -> list[Curve]:
    return [curve for curve in known if curve.kind in kinds and curve.place == place]


def _rises(curve: Curve, rows: Sequence[Row], title: str, doubted: Sequence[Curve]) -> Iterator[Claim]:
    """That Q does not rise along rows; `doubted` are the curves that are not believed where it does."""
    level: Level = "fail" if doubted else "warn"
    if doubted:
        first = rows[0]
        doubts = frozenset().union(*(_doubts(each, first) for each in doubted))
        above = combined([_ratio(curve, first)], lambda ratios: ratios[0] - 1)
        yield Claim(above, f"{_where(first)}, {title} against clean", doubts, level)
    for before, after in itertools.pairwise(rows):
        doubts = frozenset().union(*(_doubts(each, after) for each in doubted))
        text = f"{_where(after)}, {title} {strength(after.epsilon)} against {strength(before.epsilon)}"
        yield Claim(_difference(curve, after, before), text, doubts, level)


def _difference(curve: Curve, strong: Row, weak: Row) -> Sample:
    """Q of a cell minus Q of another one, over the images that count in both."""
    first, second = curve.evidence.pair.ratios([strong.key, weak.key], curve.task)
    return first - second


def _ratio(curve: Curve, row: Row) -> Sample:
    (ratio,) = curve.evidence.pair.ratios([row.key], curve.task)
    return ratio


def _noise_at(noise: Curve, row: Row) -> Sample | None:
    """Q under noise of the realised RMS of an attack; None where that is above the noise's own."""
    # Q of the clean images is 1, whatever images are left out.
    clean = combined([_ratio(noise, noise.rows[0])], lambda ratios: np.ones_like(ratios[0]))
    points = [(0.0, clean), *((each.rms or 0.0, _ratio(noise, each)) for each in noise.rows)]
    for (low, before), (high, after) in itertools.pairwise(points):
        if row.rms is not None and low <= row.rms <= high:
            return _between(before, after, (row.rms - low) / (high - low))
    return None


def _between(before: Sample, after: Sample, share: float) -> Sample:
    return combined([before, after], lambda ratios: (1 - share) * ratios[0] + share * ratios[1])


def _is_longer(more: Curve, fewer: Curve) -> bool:
    """Whether two configurations differ in that one takes more steps."""
    a, b = (dict(each.configuration.params) for each in (more, fewer))
    steps = [getattr(attack_of(each.configuration), "steps", 0) for each in (more, fewer)]
    same = {**a, "steps": 0} == {**b, "steps": 0} and more.configuration.attack == fewer.configuration.attack
    return same and min(steps) > 0 and steps[0] > steps[1]


def _doubts(curve: Curve, at: Row | None = None) -> frozenset[Doubt]:
    """The numbers of all tasks in a curve's cells, or in one of its epsilon."""
    of_curve = curve.rows if at is None else [row for row in curve.rows if row.epsilon == at.epsilon]
    return curve.evidence.doubts_on(*of_curve)


def _rank(curve: Curve) -> int | None:
    return attack_strength(curve.configuration.attack)


def _where(row: Row) -> str:
    return f"{row.model} on {row.dataset}, {short_task_name(row.task)}"


def _title_of(row: Row) -> str:
    return f"{_where(row)}, {perturbation_name(row.attack, row.objective, row.norm)} {strength(row.epsilon)}"


def _title(curve: Curve) -> str:
    row = curve.rows[0]
    return perturbation_name(row.attack, row.objective, row.norm)
