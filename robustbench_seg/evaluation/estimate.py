"""What a plan would cost, before anything is done."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from robustbench_seg.evaluation.plan import Pair, make_attack
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.sweep import objective_key
from robustbench_seg.results.keys import CLEAN

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


def estimate(prepared: PreparedEvaluation) -> Estimate:
    """Count the plan's work and time it from one image a pair."""
    timings = prepared.preflight()
    gradients = forwards = images = 0
    seconds = 0.0
    for index, pair in enumerate(prepared.plan.pairs):
        one_gradient, one_forward = _pair_work(pair)
        images += pair.n_images
        gradients += one_gradient * pair.n_images
        forwards += one_forward * pair.n_images
        forward_s, gradient_s = timings[index]
        seconds += pair.n_images * (one_gradient * gradient_s + (one_forward - one_gradient) * forward_s)
    cells = prepared.plan.n_cells
    rows = sum(
        pair.n_images * sum(len(f.epsilons) for f in pair.configurations) * len(pair.tasks)
        for pair in prepared.plan.pairs
    )
    return Estimate(cells, images, gradients, forwards, seconds / prepared.workers, rows * _BYTES_A_ROW / 2**20)


def _pair_work(pair: Pair) -> tuple[int, int]:
    """Gradients and forwards of one image; equal cells and an objective's clean gradient count once."""
    gradients, scored = 0, 0
    seen: set[Hashable] = set()
    started: set[Hashable] = set()
    for configuration in pair.configurations:
        attack = None if configuration.attack == CLEAN else make_attack(configuration)
        adversarial_loss = objective_key(configuration)
        for epsilon in configuration.epsilons:
            name = None if attack is None or epsilon is None else attack.cache_key(epsilon, configuration.norm)
            scored += name is None or (adversarial_loss, name) not in seen
            if name is not None:
                seen.add((adversarial_loss, name))
        if attack is not None and configuration.objective:
            count = attack.gradients([float("inf") if e is None else e for e in configuration.epsilons])
            starts = count > 0 and attack.uses_clean_gradient()
            gradients += count - (starts and adversarial_loss in started)
            started |= {adversarial_loss} if starts else set()
    # The clean forward is that of the gradients which start there.
    return gradients, scored + gradients - len(started)
