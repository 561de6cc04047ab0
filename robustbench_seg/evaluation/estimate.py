"""What a plan would cost, before anything is done."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from robustbench_seg.evaluation.attack import ConfiguredAttack
from robustbench_seg.evaluation.prepare import PreparedEvaluation

_BYTES_PER_ROW = 900
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
    """Count the plan's work and time it from one image per pair."""
    timings = prepared.preflight()
    gradients = forwards = images = 0
    seconds = fit_seconds = 0.0
    for index, pair in enumerate(prepared.plan.pairs):
        attacks = prepared.workplace.context(pair).attacks
        one_gradient, one_forward = _work([attacks[index] for index in pair.to_run])
        images += pair.n_images
        gradients += one_gradient * pair.n_images
        forwards += one_forward * pair.n_images
        forward_s, gradient_s = timings[index]
        seconds += pair.n_images * (one_gradient * gradient_s + (one_forward - one_gradient) * forward_s)
        fit_gradients, fit_forwards = prepared.fit_work(pair)
        gradients += fit_gradients
        forwards += fit_forwards
        fit_seconds += fit_gradients * gradient_s + (fit_forwards - fit_gradients) * forward_s
    cells = prepared.plan.n_cells
    rows = sum(
        pair.n_images * sum(len(f.epsilons) for f in pair.configurations) * len(pair.tasks)
        for pair in prepared.plan.pairs
    )
    # Fits come before the work and are not spread.
    seconds = seconds / prepared.workers + fit_seconds
    return Estimate(cells, images, gradients, forwards, seconds, rows * _BYTES_PER_ROW / 2**20)


def _work(attacks: Sequence[ConfiguredAttack]) -> tuple[int, int]:
    """Gradients and forwards of one image of a pair; equal cells and an objective's clean gradient count once."""
    gradients, forwards = 0, 0
    seen: set[Hashable] = set()
    started: set[Hashable] = set()
    for attack in attacks:
        keys = [attack.cell_key(epsilon) for epsilon in attack.configuration.epsilons]
        forwards += keys.count(None) + len({*keys} - {None} - seen) + attack.num_forwards
        seen.update(keys)
        starts = attack.uses_clean_gradient and attack.num_gradients > 0
        gradients += attack.num_gradients - (starts and attack.loss_key in started)
        started |= {attack.loss_key} if starts else set()
    # The clean forward is that of the gradients which start there.
    return gradients, forwards + gradients - len(started)
