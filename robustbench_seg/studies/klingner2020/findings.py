"""The paper's findings, each as comparisons of two numbers with their intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from robustbench_seg.attacks.pgd import kurakin_steps
from robustbench_seg.report.names import ATTACKS, strength
from robustbench_seg.results.differences import Difference
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.studies.klingner2020.experiments import DOMAINS
from robustbench_seg.studies.klingner2020.results import EPSILONS, Results, interval_texts, shown
from robustbench_seg.studies.votes import Judged, Vote

_SIGNS = {"higher": 1, "lower": -1}
_NOISES, _STRONG_NOISE = ("gaussian", "salt_and_pepper"), 2.0
_ATTACKS = ("fgsm", "pgd")
HELPFUL = ("0.1", "0.2")
"""λ for which the paper's network gained on the domain of the video (table 2)."""
FIGURE_6 = ("0.1", "0.3", "0.6")
"""λ of the paper's figure 6."""

Cell = tuple[str, str, str, float]
"""λ, data set, attack, radius (grey values)."""


def judged(full: Results, short: Results) -> list[Judged]:
    """Every finding with a number here that bears on it."""
    labelled, filmed = DOMAINS
    strong = [epsilon for epsilon in EPSILONS if epsilon >= _STRONG_NOISE]
    lambdas = short.kinds[1:]
    seeds, single = Comparer(full), Comparer(short, full)
    return [
        Judged(
            "Multi-task training with λ = 0.1 improves clean mIoU, where segmentation is learnt and where depth is",
            seeds.votes([("0.1", domain, CLEAN, 0.0) for domain in DOMAINS]),
        ),
        Judged(
            "Where segmentation is learnt, every λ from 0.1 improves clean mIoU",
            single.votes([(kind, labelled, CLEAN, 0.0) for kind in lambdas]),
        ),
        Judged(
            "Where depth is learnt, λ = 0.1 and 0.2 improve clean mIoU (and 0.5 and 0.9, unlike them, harm it)",
            single.votes([(kind, filmed, CLEAN, 0.0) for kind in HELPFUL]),
        ),
        Judged(
            "Under noise, λ = 0.1 keeps a larger share from ε = 2",
            seeds.votes([("0.1", domain, noise, e) for noise in _NOISES for domain in DOMAINS for e in strong]),
        ),
        Judged(
            "Under FGSM and PGD, λ = 0.1 keeps a larger share at every ε",
            seeds.votes(
                [
                    ("0.1", domain, attack, e)
                    for attack in _ATTACKS
                    for domain in DOMAINS
                    for e in EPSILONS
                    if not is_repeated(attack, e)
                ]
            ),
        ),
        Judged(
            "Where segmentation is learnt, λ = 0.1, 0.3 and 0.6 alike keep a larger share under FGSM",
            single.votes([(kind, labelled, "fgsm", e) for kind in FIGURE_6 for e in EPSILONS]),
        ),
        Judged(
            "Where depth is learnt, λ = 0.1 does so too",
            single.votes([("0.1", filmed, "fgsm", e) for e in EPSILONS]),
        ),
    ]


def is_repeated(attack: str, epsilon: float) -> bool:
    """Whether this is FGSM again: PGD of one step."""
    return attack == "pgd" and kurakin_steps(epsilon) == 1


@dataclass(frozen=True)
class Comparer:
    """Compares a run's groups with its single task.

    Where a group was trained once, its interval says nothing about another training: such a difference counts only
    beyond what `seeds`, a run with several trainings of one recipe, shows between two of them in the same cell.
    """

    results: Results
    seeds: Results | None = None

    def votes(self, cells: Iterable[Cell]) -> tuple[Vote, ...]:
        """A vote a cell that was measured, 1 where the group is clearly higher: what the paper found."""
        return tuple(vote for cell in cells if (vote := self._vote(cell)) is not None)

    def is_clear(self, cell: Cell) -> bool:
        """Whether the difference counts."""
        found = self.results.difference(*cell)
        return found is not None and found.verdict in _SIGNS and abs(found.difference) > self._spread(cell)

    def _vote(self, cell: Cell) -> Vote | None:
        found = self.results.difference(*cell)
        if found is None:
            return None
        return Vote(self._text(found, cell), _SIGNS[found.verdict] if self.is_clear(cell) else 0)

    def _spread(self, cell: Cell) -> float:
        return 0.0 if self.seeds is None else self.seeds.spread(*cell[1:])

    def _text(self, found: Difference, cell: Cell) -> str:
        what = "clean mIoU" if found.attack == CLEAN else f"Q under {ATTACKS[found.attack]} {strength(found.epsilon)}"
        spans = list(interval_texts(found))
        if self.seeds is not None:
            spans.append(f"two seeds differ by up to {100 * self._spread(cell):.1f}")
        return (
            f"{shown(cell[0])} on {found.dataset}, {what}: {100 * found.b:.1f} against {100 * found.a:.1f} of the "
            f"single task, {100 * found.difference:+.1f} points ({', '.join(spans) or 'no interval'})"
        )
