"""The worst case of every model, and how near `fast-strong` is to `strong`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from robustbench_seg.report.cells import DASH, Line, Table, text_cells
from robustbench_seg.report.comparison import PERCENT
from robustbench_seg.results.keys import WORST
from robustbench_seg.studies.strength.samples import Images, Sampled
from robustbench_seg.studies.strength.settings import EPSILONS, EQUAL_STEPS, PAPER, SEA_STEPS, rung

Parts = Mapping[str, Sequence[Sampled]]
"""The models of each part."""


def worst_table(found: Parts, epsilon: float) -> Table:
    """The mIoU of every model under the papers' PGD, PGD-20 and both worst cases; with SEA's steps where measured."""
    columns = {
        "PGD as in the papers": ("equal", PAPER.label),
        f"PGD-{EQUAL_STEPS}": ("equal", rung("semantic", "pgd", "", EQUAL_STEPS).label),
        "fast-strong": ("fast-strong", WORST),
        "strong": ("strong", WORST),
        f"strong, {SEA_STEPS} steps": ("strong-300", WORST),
    }
    columns = {name: column for name, column in columns.items() if column[0] in found}
    by_model = {(part, each.model): each for part, models in found.items() for each in models}
    lines = []
    for model in [each.model for each in found["strong"]]:
        known = [(by_model.get((part, model)), label) for part, label in columns.values()]
        cells = [
            DASH if each is None else PERCENT.number(each.at("semantic", label, epsilon).value) for each, label in known
        ]
        lines.append(Line(model, "", text_cells(*cells)))
    return Table(f"mIoU in per cent at ε = {epsilon:g}", "model", tuple(columns), tuple(lines))


def halves_table(found: Parts) -> Table:
    """How far the worst case of `fast-strong` is above that of `strong`, where it was chosen and on other images."""
    strong = {each.model: each for each in found["strong"]}
    halves = Images.FIRST_HALF, Images.SECOND_HALF

    def above(model: Sampled, epsilon: float, images: Images) -> str:
        fast, slow = (each.at("semantic", WORST, epsilon, images).value for each in (model, strong[model.model]))
        return PERCENT.signed(fast - slow)

    lines = [
        Line(model.model, "", text_cells(*(above(model, *column) for column in itertools.product(EPSILONS, halves))))
        for model in found["fast-strong"]
    ]
    heads = (f"images 1 to {found['strong'][0].n_images // 2}", "the others") * len(EPSILONS)
    groups = tuple((f"ε = {epsilon:g}", len(halves)) for epsilon in EPSILONS)
    return Table("fast-strong above strong, points of mIoU", "model", heads, tuple(lines), groups)
