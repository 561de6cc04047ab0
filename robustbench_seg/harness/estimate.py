"""What a plan would cost, before anything is done."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_seg.harness.evaluation import Evaluation
from robustbench_seg.harness.plan import CLEAN, Pair, make_attack

_BYTES_A_ROW = 900
"""Measured size in the store of one image, cell and task."""


@dataclass(frozen=True)
class Estimate:
    """What a run would cost: cells, gradients and forwards over all images, seconds on these workers, bytes."""

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
        seconds += pair.n_images * (one_gradient * gradient_s + one_forward * forward_s)
    cells = evaluation.plan.n_cells
    rows = sum(
        pair.n_images * sum(len(f.epsilons) for f in pair.families) * len(pair.tasks) for pair in evaluation.plan.pairs
    )
    return Estimate(cells, images, gradients, forwards, seconds / evaluation.workers, rows * _BYTES_A_ROW / 2**20)


def _pair_work(pair: Pair) -> tuple[int, int]:
    """Gradients and scoring forwards of one image; the clean gradient of an objective is shared."""
    gradients, forwards, first = 0, 0, set()
    for family in pair.families:
        forwards += len(family.epsilons)
        if family.attack == CLEAN or not family.objective:
            continue
        attack = make_attack(family)
        count = attack.gradients([float("inf") if e is None else e for e in family.epsilons])
        key = (type(attack).goal.__qualname__, family.objective)
        gradients += count - (1 if key in first and count else 0)
        first.add(key)
    return gradients, forwards
