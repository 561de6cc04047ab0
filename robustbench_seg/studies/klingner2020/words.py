"""The study's result in a few plain sentences, each from its numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median

from robustbench_seg.report.names import ATTACKS, strength
from robustbench_seg.results.differences import Difference
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.studies.klingner2020.experiments import DOMAINS
from robustbench_seg.studies.klingner2020.findings import Comparer, is_repeated
from robustbench_seg.studies.klingner2020.results import Results, shown
from robustbench_seg.studies.votes import Judged

_FIRST = "0.1"
"""The λ of the paper's main experiment."""


def paragraph(full: Results, short: Results, real: Results | None, found: Sequence[Judged]) -> str:
    """What the study found, for someone who reads no further; `real` is missing without CamVid."""
    said = (_clean(full), _kept(full), _over_lambda(short, full), _on_real_labels(real), _verdicts(found))
    return " ".join(sentence for sentence in said if sentence)


def _clean(full: Results) -> str:
    """The price or gain in clean mIoU."""
    cells = [(_FIRST, domain, CLEAN, 0.0) for domain in DOMAINS]
    known = [(cell, one) for cell in cells if (one := full.difference(*cell)) is not None]
    comparer = Comparer(full)
    parts = [
        f"{100 * one.difference:+.1f} points on {one.dataset}"
        + ("" if comparer.is_clear(cell) else " (not told apart)")
        for cell, one in known
    ]
    return f"Depth from video with {shown(_FIRST)} changes clean mIoU by {' and '.join(parts)}." if parts else ""


def _kept(full: Results) -> str:
    """What it does to the share that is kept."""
    found = [
        (cell, one)
        for cell, one in full.differences.items()
        if cell[0] == _FIRST and one.attack != CLEAN and not is_repeated(cell[2], cell[3])
    ]
    if not found:
        return ""
    higher, clear = _higher(one for _, one in found), sum(Comparer(full).is_clear(cell) for cell, _ in found)
    middle = 100 * median(one.difference for _, one in found)
    return (
        f"Of what it scores clean it keeps a larger share in {higher} of {len(found)} cells of noise and attack "
        f"(median {middle:+.1f} points), of which {clear or 'none'} can be told apart from a training's luck with "
        f"{len(full.groups[_FIRST])} seeds."
    )


def _over_lambda(short: Results, full: Results) -> str:
    """How much λ matters."""
    parts = []
    for domain in DOMAINS:
        values = [value for kind in short.kinds[1:] if not math.isnan(value := short.clean(kind, domain))]
        if len(values) > 1:
            spans = 100 * (max(values) - min(values)), 100 * full.spread(domain)
            parts.append(f"{spans[0]:.1f} points of clean mIoU on {domain} (two seeds up to {spans[1]:.1f})")
    return f"The λ of the ablation lie within {' and '.join(parts)}." if parts else ""


def _on_real_labels(real: Results | None) -> str:
    """The same on CamVid, one training each."""
    found = [] if real is None else [(cell, one) for cell, one in real.differences.items() if cell[0] == _FIRST]
    clean = [one.difference for cell, one in found if cell[2] == CLEAN]
    kept = [one for cell, one in found if cell[2] != CLEAN]
    if not clean or not kept:
        return ""
    most = max(kept, key=lambda one: abs(one.difference))
    middle = median(one.difference for one in kept)
    return (
        f"With CamVid's labels clean mIoU changes by {100 * clean[0]:+.1f} points, and the share kept is larger in "
        f"{_higher(kept)} of {len(kept)} cells (median {100 * middle:+.1f} points, the furthest "
        f"{100 * most.difference:+.1f} under {ATTACKS[most.attack]} {strength(most.epsilon)}), from one training each."
    )


def _verdicts(found: Sequence[Judged]) -> str:
    """Which findings got which verdict."""
    verdicts = [one.verdict for one in found]
    counts = ", ".join(f"{verdict} ({verdicts.count(verdict)})" for verdict in dict.fromkeys(verdicts))
    return f"Of {len(found)} of the paper's findings that are judged below: {counts}."


def _higher(found: Iterable[Difference]) -> int:
    return sum(one.difference > 0 for one in found)
