"""The first sanity verdict of a run: what must hold if attacks, gradients, budget and model work as they should."""

from __future__ import annotations

from collections.abc import Callable

from robustbench_seg.report.checks_cells import all_ran, clean_is_plausible, gradients_flow, noise_power
from robustbench_seg.report.checks_curves import nothing_rises, order_holds, upper_bound
from robustbench_seg.report.finding import LEVELS, Evidence, Finding
from robustbench_seg.report.rows import Run, rows
from robustbench_seg.report.views import views
from robustbench_seg.results.keys import CLEAN

CHECKS: tuple[Callable[[Evidence], Finding], ...] = (
    all_ran,
    clean_is_plausible,
    gradients_flow,
    order_holds,
    nothing_rises,
    noise_power,
    upper_bound,
)


def verdict(run: Run) -> list[Finding]:
    """All findings, the worst first."""
    table = rows(run.summary)
    cells = {(row.model, row.dataset, *row.series, row.epsilon): row for row in table if row.attack != CLEAN}
    clean = run.classes[run.classes["attack"] == CLEAN]
    counts = {key: group["class"].nunique() for key, group in clean.groupby(["model", "dataset"])}
    evidence = Evidence(
        views(table),
        list(cells.values()),
        [row for row in table if row.attack == CLEAN],
        {(str(model), str(dataset)): count for (model, dataset), count in counts.items()},
    )
    found = [check(evidence) for check in CHECKS]
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))
