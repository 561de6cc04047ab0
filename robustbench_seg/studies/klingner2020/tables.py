"""The paper's tables 2, 3 and 4, ours beside the published numbers, and those of what the paper does not have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from robustbench_seg.report.cells import DASH, Cell, Line, Table, text_cells
from robustbench_seg.report.names import ATTACKS
from robustbench_seg.results.differences import Difference
from robustbench_seg.studies.klingner2020.experiments import DOMAINS, MEAN_MAP, REAL_DATA
from robustbench_seg.studies.klingner2020.results import EPSILONS, Results, interval_texts, shown
from robustbench_seg.studies.klingner2020.trainings import SHORT, SINGLE, Training

Published = Mapping[str, Any]


def table_2(full: Results, short: Results, published: Published) -> Table:
    """Clean mIoU on both domains."""
    lines = []
    for results, length in ((full, "full length"), (short, f"{SHORT} steps")):
        for kind in results.kinds:
            tag = f"{len(results.groups[kind])} × {length}"
            paper = published["miou"].get(kind, (None, None))
            ours = [_clean(results, kind, domain) for domain in DOMAINS]
            lines.append(Line(shown(kind), tag, (*ours, *(Cell(_per_cent(value)) for value in paper))))
    heads = (*DOMAINS, "Cityscapes", "KITTI")
    spans = (("ours (Δ: against single task)", 2), ("paper", 2))
    return Table("Table 2: clean mIoU in per cent, where segmentation is learnt and where depth is", "", heads,
                 tuple(lines), spans)  # fmt: skip


def table_q(full: Results, domain: str, attack: str, published: Published, caption: str) -> Table:
    """Q over ε of single task and λ = 0.1, their difference, and the paper's rows."""
    lines = [
        Line(shown(kind), "ours", tuple(_ratio(full, kind, domain, attack, epsilon) for epsilon in EPSILONS))
        for kind in full.kinds
    ]
    lines += [
        Line("λ = 0.1 − single task", "ours", tuple(_delta(full.difference(kind, domain, attack, e)) for e in EPSILONS))
        for kind in full.kinds
        if kind != SINGLE
    ]
    lines += [
        Line(shown(kind), "paper, Cityscapes", text_cells(*(f"{value:.1f}" for value in row)))
        for kind, row in published["ratio"].get(attack, {}).items()
    ]
    return Table(caption, "Q in per cent", tuple(f"ε = {epsilon:g}" for epsilon in EPSILONS), tuple(lines))


def tables_q(full: Results, published: Published) -> list[Table]:
    """Tables 3 and 4 on the domain of the labels, and the same of what the paper only draws."""
    numbers = {("street", "gaussian"): "Table 3: ", ("street", "fgsm"): "Table 4: "}
    return [
        table_q(
            full,
            domain,
            attack,
            published if (domain, attack) in numbers else {"ratio": {}},
            f"{numbers.get((domain, attack), '')}{ATTACKS[attack]} on {domain}",
        )
        for domain in DOMAINS
        for attack in ("gaussian", "salt_and_pepper", "fgsm", "pgd")
    ]


def camvid_table(real: Results) -> Table:
    """The real-data variant: clean mIoU and Q."""
    columns = [(attack, epsilon) for attack in REAL_DATA.attacks for epsilon in REAL_DATA.epsilons]
    lines = []
    for kind in real.kinds:
        cells = [_clean(real, kind, "camvid"), *(_ratio(real, kind, "camvid", *column) for column in columns)]
        lines.append(Line(shown(kind), "1 seed", tuple(cells)))
        if kind != SINGLE:
            deltas = [
                _delta(real.difference(kind, "camvid")),
                *(_delta(real.difference(kind, "camvid", *c)) for c in columns),
            ]
            lines.append(Line(f"{shown(kind)} − single task", "", tuple(deltas)))
    heads = ("clean mIoU", *(f"ε = {epsilon:g}" for _, epsilon in columns))
    spans = (("", 1), *((f"{ATTACKS[attack]}, Q", len(REAL_DATA.epsilons)) for attack in REAL_DATA.attacks))
    frames = max((row.n_images for row in real.rows.values()), default=0)
    caption = f"Real data: segmentation of CamVid val ({frames} frames), depth from video of street-b, in per cent"
    return Table(caption, "", heads, tuple(lines), spans)


def depth_table(depth: Results, domain: str = DOMAINS[1]) -> Table:
    """AbsRel of depth learnt from video beside that of the mean depth map."""
    lines = []
    for kind in depth.kinds:
        values = [row.value for row in depth.each(kind, domain) if row.value is not None]
        text = f"{depth.clean(kind, domain):.3f}"
        single = ("seeds " + ", ".join(f"{value:.3f}" for value in values),) if len(values) > 1 else ()
        against = depth.difference(kind, domain)
        lines.append(Line(kind if kind == MEAN_MAP else shown(kind), "", (Cell(text, single), _absolute(against))))
    caption = f"Depth on {domain} val after median scaling: AbsRel, lower is better"
    return Table(caption, "", ("AbsRel", "minus the mean depth map"), tuple(lines))


def _clean(results: Results, kind: str, domain: str) -> Cell:
    value = results.clean(kind, domain)
    if math.isnan(value):
        return Cell(DASH)
    found = results.difference(kind, domain)
    return Cell(f"{100 * value:.1f}", () if found is None else (f"Δ {_signed(found)}", *interval_texts(found)))


def _ratio(results: Results, kind: str, domain: str, attack: str, epsilon: float) -> Cell:
    value = results.ratio(kind, domain, attack, epsilon)
    if math.isnan(value):
        return Cell(DASH)
    low, high = results.interval(kind, domain, attack, epsilon)
    return Cell(f"{100 * value:.1f}", (f"[{100 * low:.1f}, {100 * high:.1f}]",), min(max(value, 0.0), 1.0))


def _delta(found: Difference | None) -> Cell:
    return Cell(DASH) if found is None else Cell(_signed(found), interval_texts(found))


def _absolute(found: Difference | None) -> Cell:
    if found is None:
        return Cell(DASH)
    spans = tuple(f"{name} [{low:+.3f}, {high:+.3f}]" for name, (low, high) in found.intervals.items())
    return Cell(f"{found.difference:+.3f}", spans)


def _signed(found: Difference) -> str:
    return f"{100 * found.difference:+.1f}"


def _per_cent(value: float | None) -> str:
    return DASH if value is None else f"{value:.1f}"


def training_lines(trainings: Sequence[Training]) -> list[Line]:
    """What was trained, with the command that does it alone."""
    recipes = [(one.command, one.read()) for one in trainings]
    return [Line(recipe.name, "", text_cells(str(recipe.steps), str(recipe.seed), line)) for line, recipe in recipes]
