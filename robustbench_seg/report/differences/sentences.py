"""Which differences are claimed and which are not, in plain lines."""

from __future__ import annotations

from collections.abc import Sequence

from robustbench_seg.report.differences.wording import amount, intervals, listed, reason
from robustbench_seg.report.names import epsilon_text, metric_name, task_name
from robustbench_seg.report.views import View
from robustbench_seg.results.differences import OPEN, Difference
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.pair import RATIO


def sentences(view: View, found: Sequence[Difference]) -> list[str]:
    """Lines on the clean metric and on Q under noise and attacks on the task, of one pair of groups in a view."""
    clean = [one for one in found if one.attack == CLEAN]
    ratios = [one for one in found if one.quantity == RATIO and one.is_own and one.epsilon != 0]
    return [*map(_clean, clean), *_ratios(view, ratios)]


def _clean(one: Difference) -> str:
    numbers = ", ".join([amount(one), *intervals(one)])
    if one.verdict == OPEN:
        return (
            f"On {one.dataset}, {one.second} and {one.first} are not told apart by the clean {_metric(one)}: "
            f"{numbers} ({reason(one)})."
        )
    than = f"is {one.verdict} than that of {one.first}"
    return f"On {one.dataset}, the clean {_metric(one)} of {one.second} {than}: {numbers}."


def _ratios(view: View, found: Sequence[Difference]) -> list[str]:
    """What is claimed of Q, then what is not and by which interval."""
    claimed = _alike([(one.verdict, one) for one in found if one.verdict != OPEN])
    open_ = _alike([(reason(one), one) for one in found if one.verdict == OPEN])
    lines = []
    if claimed:
        clauses = [f"{verdict} under {_places(view, ones, found)}" for verdict, ones in claimed.items()]
        first = found[0]
        start = f"On {first.dataset}, Q of {_metric(first)} of {first.second} is, against {first.first}, "
        lines.append(f"{start}{'; '.join(clauses)}.")
    lines += [
        f"Not told apart by Q ({why}): {ones[0].second} and {ones[0].first} under {_places(view, ones, found)}."
        for why, ones in open_.items()
    ]
    return lines


def _alike(named: Sequence[tuple[str, Difference]]) -> dict[str, list[Difference]]:
    found: dict[str, list[Difference]] = {}
    for name, one in named:
        found.setdefault(name, []).append(one)
    return found


def _places(view: View, chosen: Sequence[Difference], found: Sequence[Difference]) -> str:
    """The perturbations with their radii; `at every ε` where all of a series are chosen."""
    parts = []
    for series in dict.fromkeys(one.series for one in chosen):
        radii = [one.epsilon for one in chosen if one.series == series]
        every = len(radii) > 1 and len(radii) == sum(one.series == series for one in found)
        parts.append(f"{view.labels[series]} {'at every ε' if every else _radii(radii)}")
    return listed(parts)


def _radii(radii: Sequence[float | None]) -> str:
    return f"at ε = {listed([epsilon_text(radius) for radius in radii])}" if None not in radii else "without an ε"


def _metric(one: Difference) -> str:
    return f"{task_name(one.task)} {metric_name(one.metric)}"
