"""What a plan would cost, before anything is done."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from robustbench_seg.harness.evaluation import Evaluation
from robustbench_seg.harness.families import family_key
from robustbench_seg.harness.plan import CLEAN, Pair, make_attack

_BYTES_A_ROW = 900
"""Measured size in the store of one image, cell and task."""


@dataclass(frozen=True)
class Estimate:
    """What a run would cost: cells, gradients and forwards (theirs included) over all images, seconds, megabytes.

    Seconds are on the workers asked for. Where an attack can stop early, or tries the loss of what it found, the counts
    are approximate.
    """

    cells: int
    images: int
    gradients: int
    forwards: int
    seconds: float
    megabytes: float


def estimate(evaluation: Evaluation) -> Estimate:
    """Count the plan's work and time it from one image a pair."""
    timings = evaluation.preflight()
    gradients = forwards = images = 0
    seconds = 0.0
    for index, pair in enumerate(evaluation.plan.pairs):
        one_gradient, one_forward = _pair_work(pair)
        images += pair.n_images
        gradients += one_gradient * pair.n_images
        forwards += one_forward * pair.n_images
        forward_s, gradient_s = timings[index]
        seconds += pair.n_images * (one_gradient * gradient_s + (one_forward - one_gradient) * forward_s)
    cells = evaluation.plan.n_cells
    rows = sum(
        pair.n_images * sum(len(f.epsilons) for f in pair.families) * len(pair.tasks) for pair in evaluation.plan.pairs
    )
    return Estimate(cells, images, gradients, forwards, seconds / evaluation.workers, rows * _BYTES_A_ROW / 2**20)


def _pair_work(pair: Pair) -> tuple[int, int]:
    """Gradients and forwards of one image; equal cells and an objective's clean gradient count once."""
    gradients, scored = 0, 0
    seen: set[Hashable] = set()
    started: set[Hashable] = set()
    for family in pair.families:
        attack = None if family.attack == CLEAN else make_attack(family)
        goal = family_key(family)
        for epsilon in family.epsilons:
            name = None if attack is None or epsilon is None else attack.same_as(epsilon, family.norm)
            scored += name is None or (goal, name) not in seen
            if name is not None:
                seen.add((goal, name))
        if attack is not None and family.objective:
            count = attack.gradients([float("inf") if e is None else e for e in family.epsilons])
            starts = count > 0 and attack.starts_clean()
            gradients += count - (starts and goal in started)
            started |= {goal} if starts else set()
    # The clean forward is that of the gradients which start there.
    return gradients, scored + gradients - len(started)
