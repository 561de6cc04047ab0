"""The paper's findings, each as comparisons of two numbers with their intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from robustbench_seg.report.differences.difference import Difference
from robustbench_seg.report.names import ATTACKS, strength
from robustbench_seg.report.rows import CLEAN
from robustbench_seg.studies.klingner2020.experiments import DOMAINS
from robustbench_seg.studies.klingner2020.results import EPSILONS, Results, shown
from robustbench_seg.studies.votes import Judged, Vote

_SIGNS = {"higher": 1, "lower": -1}
_NOISES, _STRONG_NOISE = ("gaussian", "salt_and_pepper"), 2.0
_ATTACKS = ("fgsm", "pgd")
HARMFUL = ("0.5", "0.9")
"""λ for which the paper's network lost on the domain of the video."""


def judged(full: Results, short: Results) -> list[Judged]:
    """Every finding with a number here that bears on it."""
    labelled, filmed = DOMAINS
    return [
        Judged(
            "Multi-task training with λ = 0.1 improves clean mIoU, where segmentation is learnt and where depth is",
            tuple(_votes(full, "0.1", DOMAINS)),
        ),
        Judged(
            "Where segmentation is learnt, every λ from 0.1 improves clean mIoU",
            tuple(vote for kind in short.kinds[1:] for vote in _votes(short, kind, (labelled,))),
        ),
        Judged(
            "Where depth is learnt, λ = 0.5 and 0.9 harm clean mIoU",
            tuple(vote for kind in HARMFUL for vote in _votes(short, kind, (filmed,), sign=-1)),
        ),
        Judged(
            "Under noise, λ = 0.1 keeps a larger share from ε = 2",
            tuple(
                vote
                for attack in _NOISES
                for epsilon in EPSILONS
                if epsilon >= _STRONG_NOISE
                for vote in _votes(full, "0.1", DOMAINS, attack, epsilon)
            ),
        ),
        Judged(
            "Under FGSM and PGD, λ = 0.1 keeps a larger share at every ε",
            tuple(
                vote
                for attack in _ATTACKS
                for epsilon in EPSILONS
                for vote in _votes(full, "0.1", DOMAINS, attack, epsilon)
            ),
        ),
        Judged(
            "Where segmentation is learnt, every λ keeps a larger share under FGSM",
            tuple(
                vote
                for kind in short.kinds[1:]
                for epsilon in EPSILONS
                for vote in _votes(short, kind, (labelled,), "fgsm", epsilon)
            ),
        ),
    ]


def _votes(
    results: Results, kind: str, domains: Sequence[str], attack: str = CLEAN, epsilon: float = 0.0, sign: int = 1
) -> Iterator[Vote]:
    """A group against the single-task one on each domain; `sign` is what the paper found."""
    for domain in domains:
        found = results.difference(kind, domain, attack, epsilon)
        if found is not None:
            yield Vote(_text(found, kind), sign * _SIGNS.get(found.verdict, 0))


def _text(found: Difference, kind: str) -> str:
    what = "clean mIoU" if found.attack == CLEAN else f"Q under {ATTACKS[found.attack]} {strength(found.epsilon)}"
    spans = ", ".join(f"{name} [{100 * low:+.1f}, {100 * high:+.1f}]" for name, (low, high) in found.intervals.items())
    return (
        f"{shown(kind)} on {found.dataset}, {what}: {100 * found.b:.1f} against {100 * found.a:.1f} of the single "
        f"task, {100 * found.difference:+.1f} points ({spans or 'no interval'})"
    )
