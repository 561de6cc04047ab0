"""The first sanity verdict of a run: what must hold if attacks, gradients, budget and model work as they should."""

from __future__ import annotations

from collections.abc import Callable

from robustbench_seg.report.checks_cells import all_ran, clean_is_plausible, gradients_flow, noise_power
from robustbench_seg.report.checks_curves import nothing_rises, order_holds, upper_bound
from robustbench_seg.report.finding import LEVELS, Evidence, Finding
from robustbench_seg.report.views import views
from robustbench_seg.results.keys import CLEAN
from robustbench_seg.results.run import RunLike

CHECKS: tuple[Callable[[Evidence], Finding], ...] = (
    all_ran,
    clean_is_plausible,
    gradients_flow,
    order_holds,
    nothing_rises,
    noise_power,
    upper_bound,
)


def verdict(run: RunLike) -> list[Finding]:
    """All findings, the worst first."""
    table = run.rows
    cells = {(row.model, row.dataset, *row.series, row.epsilon): row for row in table if row.attack != CLEAN}
    labels: dict[tuple[str, str], set[str]] = {}
    for row in run.class_rows:
        if row.attack == CLEAN:
            labels.setdefault((row.model, row.dataset), set()).add(row.label)
    evidence = Evidence(
        views(table),
        list(cells.values()),
        [row for row in table if row.attack == CLEAN],
        {place: len(names) for place, names in labels.items()},
    )
    found = [check(evidence) for check in CHECKS]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))
