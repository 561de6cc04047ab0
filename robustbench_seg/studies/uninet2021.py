"""UniNet 2021: five tasks, and what attacking one does to the others. `python -m` this module runs the study."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from robustbench_seg.attacks.objectives.base import Role
from robustbench_seg.evaluation.config import resolve_device
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.models.registry import card_folders
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.report.cells import DASH, Cell, Line, Table, text_cells
from robustbench_seg.report.comparison import Comparison, Estimate, Scale
from robustbench_seg.report.relationships.agreement import common, spearman
from robustbench_seg.report.relationships.contrasts import (
    Samples,
    Side,
    contrast,
    directions,
    group_losses,
    multi_task_loss,
    own_losses,
)
from robustbench_seg.report.relationships.matrix import Matrix, Sweep, leading
from robustbench_seg.report.relationships.objectives import described, is_own
from robustbench_seg.report.relationships.study import Study, opened_study
from robustbench_seg.report.relationships.swapping import shapes, swap_reached, swap_title
from robustbench_seg.report.relationships.write import write_relationships
from robustbench_seg.report.section import Part, Section
from robustbench_seg.results.delta import delta
from robustbench_seg.results.files import write_table
from robustbench_seg.results.intervals import LEVEL, Interval
from robustbench_seg.results.names import task_name
from robustbench_seg.results.rows import Row
from robustbench_seg.results.run import Run
from robustbench_seg.results.sample import resampled
from robustbench_seg.studies.catalogue import (
    Measured,
    Together,
    beside,
    measure,
    models_table,
    task_sets_table,
    together,
)
from robustbench_seg.studies.experiments import Experiment, Options, evaluated
from robustbench_seg.studies.findings import Finding, findings_section
from robustbench_seg.studies.page import read_paper, study_options, write_page

NAME = "uninet2021"
ATTACKED = ("street-uninet", "street-mtinet-pp")
"""The five-task models; the paper repeats its attacks on MTI-Net++."""
TASKS = ("detection", "semantic", "instance", "depth", "instance_depth")
PAIR = ("semantic", "depth")
MORE_UNDER_MTL = ("object detection", "instance segmentation")
"""The tasks that drop more under the multi-task loss than under their own in the paper (section 5.4)."""
ALIKE = 0.5
"""The rank correlation of two models' matrices from which their relationships count as alike."""


@click.command()
@study_options(NAME)
@click.option("--pictures/--no-pictures", default=True, help="Leave pictures out of the pages.")
def main(out: Path, limit: int | None, device: str, workers: int, pictures: bool) -> None:
    """Attack the five-task models as the paper does; write a run per model, their relationships and the study into OUT.

    Given again it resumes, and rebuilds the pages.
    """
    options = Options(out, resolve_device(device), workers, limit, click.echo)
    names = [name for name in ATTACKED if name in card_folders()]
    runs = [Run(evaluated(experiment(name), [ModelSpec(name)], out / name, options).folder, pictures) for name in names]
    write_relationships(runs, out)
    paper = read_paper(__file__)
    rows = [*paper["ours1"].values(), *paper["ours2"].values(), ATTACKED]
    measured = measure([name for row in rows for name in row], options.device)
    write_table(models_table(measured, TASKS), out / "models.csv")
    with opened_study(runs, out) as study:
        page = write_page(out, NAME, paper["page"], sections(study, measured, paper), runs)
    click.echo(f"study: {page}")


def experiment(model: str) -> Experiment:
    """The run of one model."""
    return Experiment(model, NAME, {}, [DataSpec("street")], (), "")


def sections(study: Study, measured: Mapping[str, Measured], paper: Mapping[str, Any]) -> list[Section]:
    """The sections of the page."""
    words = paper["page"]
    counts = [model.cost.parameters / 1e6 for model in measured.values()] or [0.0]
    hide = next(plan.params for plan in PROTOCOLS.get(NAME).attacks if plan.name == "hide")
    facts = {
        "images": max((row.n_images for row in study.effects), default=0),
        "sizes": f"{min(counts):.2f} to {max(counts):.2f}",
        "device": next(iter(measured.values())).cost.device if measured else "",
        **hide,
    }
    rows = [{row: together(measured, names) for row, names in paper[table].items()} for table in ("ours1", "ours2")]
    caption = "Table 2: UniNet by tasks trained together (the paper gives AP and mIoU in per cent)"
    tables = [
        table_1(rows[0], paper["table1"]),
        task_sets_table(caption, rows[1], paper["table2"], TASKS),
        *[table_3(sweep.chosen, paper["table3"]) for sweep in study.hidings],
    ]
    title, intro = "The paper's tables, ours beside the published numbers", [words["tables"].format(**facts)]
    return [
        findings_section(
            [*(text.format(**facts) for text in words["holds"]), *reached(words["reached"], study)], findings(study)
        ),
        Section("tables", "Tables", title, [*intro, words["hiding"].format(**facts)], [Part(tables=tables)]),
    ]


def reached(text: str, study: Study) -> Iterator[str]:
    """The sentence that says what every swap reached; none where that is unknown."""
    shares = {swap_title(swap): swap_reached(swap, study.outcomes) for swap in study.swaps}
    listed = "; ".join(f"{title}: {share}" for title, share in shares.items() if share)
    if listed:
        yield text.format(swaps=listed)


def table_1(rows: Mapping[str, Together], published: Mapping[str, Sequence[float]]) -> Table:
    """Segmentation, depth, cost and gain of every row, the published numbers under ours."""
    alone = rows["single task"].values
    lines = []
    for row, numbers in published.items():
        values = {task: value for task, value in rows[row].values.items() if task in PAIR}
        gain = delta(values, alone) if len(values) == len(PAIR) else None
        forms = ("{:.3f}", "{:.2f} m", "{:.3f}", "{:.2f}", "{:.0f}", "{:.2f}", "{:+.2f}")
        ours = (*(values.get(task) for task in PAIR), *rows[row].costs.values(), gain)
        theirs = (
            f"{numbers[0] / 100:.4f}",
            f"{numbers[1]:.3f} m",
            *(f"{n:g}" for n in numbers[2:6]),
            f"{numbers[6]:+.2f}",
        )
        cells = [beside(*each) for each in zip(ours, forms, theirs, strict=True)]
        lines.append(Line(row, rows[row].name, (*cells, Cell(rows[row].steps))))
    heads = ("segmentation mIoU", "depth RMSE", "GMAC", "M parameters", "images/s", "J per image", "Δ_MTL, %", "steps")
    caption = (
        "Table 1: ours with the paper's number under it; our Δ_MTL is against single-task UniNets, the paper's is not"
    )
    return Table(caption, "network", heads, tuple(lines))


def table_3(hiding: Matrix, published: Mapping[str, Sequence[float]]) -> Table:
    """The ratios of the hidden class, ours and the paper's."""
    lines = []
    for task in hiding.tasks:
        cells: list[str] = []
        for target, number in zip(PAIR, published.get(task, (None, None)), strict=True):
            row = hiding.known(target, task)
            cells += [_with_interval(row), DASH if number is None else f"{number:.2f}"]
        lines.append(Line(task_name(task), "", text_cells(*cells)))
    spans = (("hidden in segmentation", 2), ("hidden in depth", 2))
    caption = f"Table 3: retained performance on {hiding.subject}, {hiding.title}"
    return Table(caption, "measured", ("ours", "paper", "ours", "paper"), tuple(lines), spans)


def _with_interval(row: Row | None) -> str:
    """Q of a cell, with its interval where it has one."""
    if row is None or row.ratio_low is None:
        return DASH if row is None else f"{row.ratio:.2f}"
    return f"{row.ratio:.2f} [{row.low:.2f}, {row.high:.2f}]"


def findings(study: Study) -> list[Finding]:
    """All findings that the study's runs bear on, in the paper's order (sections 5.3 to 5.6)."""
    foremost = [sweep for sweep in leading(study.sweeps) if sweep.setting.norm == "linf"]
    every = [
        Finding(text, [comparison for sweep in foremost for comparison in judge(sweep.chosen, study.samples)])
        for text, judge in _OF_A_MATRIX.items()
    ]
    bounded = [sweep.chosen for sweep in (*study.sweeps, *study.hidings) if sweep.setting.norm == "linf"]
    asymmetry = [comparison for matrix in bounded for comparison in directions(matrix, study.samples)]
    boxes = [comparison for swap in study.swaps for comparison in shapes(swap, study.samples)]
    every += [
        Finding("Semantic tasks influence geometric tasks more than the reverse", asymmetry),
        Finding("Swapping classes swaps the shapes of boxes along with them", boxes),
        Finding("The relationships do not depend on the architecture", [*architectures(foremost, study.samples)]),
    ]
    return [finding for finding in every if finding.comparisons]


def multi_task(matrix: Matrix, samples: Samples) -> list[Comparison]:
    """Every task under the multi-task loss against its own, as the paper has it (figure 3b)."""
    return [
        replace(comparison, expected=1 if comparison.subject in MORE_UNDER_MTL else -1)
        for comparison in multi_task_loss(matrix, samples)
    ]


def most_robust(matrix: Matrix, samples: Samples) -> Iterator[Comparison]:
    """Segmentation against the task that retains most of the others, under every loss (section 5.4)."""
    for objective in matrix.objectives:
        others = matrix.rows((objective, task) for task in matrix.tasks if task != "semantic")
        if others:
            best = max(others, key=lambda row: row.ratio or 0.0)
            own = matrix.rows([(objective, "semantic")])
            sides = Side(task_name(best.task), [best]), Side(task_name("semantic"), own)
            verdicts = "segmentation more robust", "segmentation less robust"
            yield from contrast(f"attacking {described(objective).title}", matrix.title, sides, samples, verdicts)


_OF_A_MATRIX: Mapping[str, Callable[[Matrix, Samples], Iterator[Comparison] | list[Comparison]]] = {
    "Semantic tasks interact among themselves, and so do geometric tasks": group_losses,
    "A task drops most under its own loss, among the tasks' own losses": own_losses,
    "The multi-task loss takes more than a task's own loss only from detection and instance segmentation": multi_task,
    "Semantic segmentation is the least affected task, whatever is attacked": most_robust,
}


def architectures(foremost: Sequence[Sweep], samples: Samples) -> Iterator[Comparison]:
    """The rank correlation of two models' matrices over tasks' own and group losses, tasks that were not attacked."""
    for first, second in itertools.combinations([sweep.chosen for sweep in foremost], 2):
        pairs = common(first, second, lambda o, task: described(o).role is not Role.RAW and not is_own(o, task))
        rho = spearman([a.ratio or 0.0 for a, _ in pairs], [b.ratio or 0.0 for _, b in pairs])
        if rho is not None:
            span = _rho_interval(pairs, samples)
            intervals = {"images": (span[0] - ALIKE, span[1] - ALIKE)} if span else {}
            sides = Estimate(f"rank correlation, {len(pairs)} cells", rho, span), Estimate("alike from", ALIKE)
            verdicts, n_images = ("alike", "not alike"), min(row.n_images for pair in pairs for row in pair)
            models = f"{first.setting.model} and {second.setting.model}"
            yield Comparison(models, first.how, *sides, intervals, verdicts, scale=Scale(decimals=2), n_images=n_images)


def _rho_interval(pairs: Sequence[tuple[Row, Row]], samples: Samples) -> Interval | None:
    """The central 95 % of the rank correlation under bootstrap samples of the images; None where a cell has none."""
    known = [sample for pair in pairs for row in pair if (sample := samples(row)) is not None]
    columns = resampled(known) if len(known) == 2 * len(pairs) else None
    if columns is None:
        return None
    rhos = [spearman(column[::2].tolist(), column[1::2].tolist()) for column in columns.T]
    low, high = np.quantile([rho for rho in rhos if rho is not None] or [math.nan], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return None if math.isnan(low) else (float(low), float(high))


if __name__ == "__main__":
    main()
