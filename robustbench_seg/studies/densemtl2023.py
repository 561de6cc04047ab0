"""DenseMTL 2023: does letting tasks talk make them better, and more robust? `python -m` this module runs the study."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click

from robustbench_seg.evaluation.config import resolve_device
from robustbench_seg.evaluation.spec import DataSpec, InMemory
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.report.cells import Line, Table, text_cells
from robustbench_seg.report.comparison import PERCENT, Comparison, Scale, corrected
from robustbench_seg.report.gains import gains_tables
from robustbench_seg.report.section import Drawing, Part, Section, drawn
from robustbench_seg.results.files import write_table
from robustbench_seg.results.gains import gains_table
from robustbench_seg.results.keys import WORST
from robustbench_seg.results.names import curve_metric, metric_of, task_name
from robustbench_seg.studies.by_task import ByTask
from robustbench_seg.studies.experiments import Experiment, Options
from robustbench_seg.studies.figures import task_figure
from robustbench_seg.studies.findings import Finding, findings_section
from robustbench_seg.studies.grouped import Grouped, Place
from robustbench_seg.studies.mean_map import constant, mean_depth, mean_normals
from robustbench_seg.studies.page import read_paper, study_options, write_page, write_run
from robustbench_seg.studies.tables import group_lines
from robustbench_seg.studies.trainings import Training, training_table

NAME = "densemtl2023"
TASKS = ("semantic", "depth", "normals", "edges")
SINGLE, NONE, GATED, ATTENTION = "single tasks", "no exchange", "gated", "attention"
SEEDS = (None, 1, 2)
"""The recipe's own, which is 0, and two more."""
WORLD = "street"
EPSILONS = (0.5, 1.0, 2.0)
SPREAD = 1.0
"""The ε at which tasks are looked at while others are attacked."""
ATTACKED_IMAGES = 64
DRAWN = ("gaussian", WORST)
SCALES = {"semantic": PERCENT, "depth": Scale(decimals=2, unit="m"), "normals": Scale(decimals=1, unit="°"),
          "edges": PERCENT}  # fmt: skip
_EXCHANGES = {NONE: "none", GATED: "gated", ATTENTION: "attention"}
_GROUPS = {
    SINGLE: [Training(f"densemtl-{task}", seed) for task in TASKS for seed in SEEDS],
    **{group: [Training(f"densemtl-{exchange}", seed) for seed in SEEDS] for group, exchange in _EXCHANGES.items()},
}

# A run needs one perturbation; the clean cells are what is shown.
CLEAN_RUN = Experiment("clean", "snr-equal", _GROUPS, [DataSpec(WORLD)], (), "miou", ("gaussian",), (1.0,))
ROBUST = replace(
    CLEAN_RUN,
    name="robust",
    attacks=("gaussian", "apgd", WORST),
    epsilons=EPSILONS,
    limit=ATTACKED_IMAGES,
)
BASELINES = replace(CLEAN_RUN, name="baselines", groups={}, tasks=("depth", "normals"))


@click.command()
@study_options(NAME)
@click.option("--work", type=click.Path(path_type=Path), default=Path(f"runs/{NAME}"), show_default=True,
              help="Checkpoints, models and runs; what is there is not done again.")  # fmt: skip
def main(out: Path, work: Path, limit: int | None, device: str, workers: int) -> None:
    """Train what is not shipped, perturb all, and write page, figures and tables into OUT. Given again it resumes."""
    options = Options(work, resolve_device(device), workers, limit, click.echo)
    grouped = [experiment.results(options) for experiment in (CLEAN_RUN, ROBUST)]
    clean, robust = (ByTask(each.run, each.groups, SCALES) for each in grouped)
    baselines = replace(BASELINES, others=mean_predictors()).results(options)
    runs = [clean.run, robust.run, baselines.run]
    write_run(out, NAME, runs)
    write_table(gains_table([*clean.gains[SINGLE], *robust.gains[SINGLE]]), out / "gains.csv")
    paper = read_paper(__file__)
    page = write_page(out, NAME, paper["page"], sections(clean, robust, baselines, paper), runs)
    click.echo(f"study: {page}")


def mean_predictors() -> dict[str, InMemory]:
    """What never looks at its image, by name."""
    data = DataSpec(WORLD, split="train").load()
    everywhere, by_pixel = mean_normals(data)
    made = {"mean depth": ("depth", mean_depth(data)), "mean normal": ("normals", everywhere),
            "mean normal of every pixel": ("normals", by_pixel)}  # fmt: skip
    return {name: constant(name, task, output, data) for name, (task, output) in made.items()}


def findings(clean: ByTask, robust: ByTask, paper: Mapping[str, Any]) -> list[Finding]:
    """Every finding, with its comparisons corrected for how many it has."""
    own = [Place(WORLD, WORST, epsilon) for epsilon in EPSILONS]
    others = [Place(WORLD, "apgd", SPREAD, task) for task in TASKS]
    kinds: Mapping[str, Callable[[str, str], Iterator[Comparison]]] = {
        "clean": lambda first, second: clean.clean(first, second, WORLD),
        "own": lambda first, second: robust.retained(first, second, own, 1),
        "others": lambda first, second: robust.retained(first, second, others, -1),
    }
    return [Finding(claim["text"], corrected([*kinds[claim["kind"]](*claim["groups"])])) for claim in paper["findings"]]


def sections(clean: ByTask, robust: ByTask, baselines: Grouped, paper: Mapping[str, Any]) -> list[Section]:
    """The sections of the page."""
    words, recipe = paper["page"], Training("densemtl-attention").read()
    attack = next(plan for plan in PROTOCOLS.get(ROBUST.protocol).attacks if plan.name == "apgd")
    facts = {
        "trainings": len(SEEDS),
        "images": clean.n_images,
        "attacked": robust.n_images,
        "epsilon": SPREAD,
        "steps": recipe.steps,
        "batch": recipe.batch,
        "gradients": attack.params["steps"],
    }

    def section(name: str, title: str, *parts: Part) -> Section:
        return Section(name, title.split(",")[0], title, [words[name].format(**facts)], parts)

    tables = [published_table(paper), *(clean_table(clean, task) for task in TASKS), *gains_tables(clean.gains[SINGLE])]
    curves = partial(task_figure, {task: robust.against[SINGLE, task] for task in TASKS}, WORLD, DRAWN, EPSILONS)
    files = drawn("figure", [Drawing("robustness", words["figures"]["robustness"], curves)])
    trained = Part("What was trained", tables=[training_table(CLEAN_RUN.trainings)], is_open=False)
    return [
        findings_section([words[key].format(**facts) for key in ("holds", "judged")], findings(clean, robust, paper)),
        section("tables", "Clean, beside the paper's numbers", Part(tables=tables), trained),
        section("baseline", "Better than the mean", Part(tables=[*means(clean, baselines)])),
        section("robust", "Robustness of every task",
                Part(figures=files[0]), Part(tables=gains_tables(robust.gains[SINGLE]))),
        section("spread", "Spread, what an attack on one task does to the others",
                Part(tables=[spread_table(robust, task) for task in TASKS])),
    ]  # fmt: skip


def published_table(paper: Mapping[str, Any]) -> Table:
    """The paper's numbers."""
    lines = [Line(name, "", text_cells(*(f"{number:g}" for number in row))) for name, row in paper["published"].items()]
    heads = ("mIoU, %", "RMSE, m", "angular error, °", "edge F1, %", "Δ, %")
    return Table("The paper's four tasks (NYUDv2, table 2)", "network", heads, tuple(lines))


def clean_table(results: ByTask, task: str) -> Table:
    """A task of every group with its differences to no exchange."""
    metric, scale = metric_of(task, curve_metric(task)), SCALES[task]
    lines = group_lines(results.against[NONE, task], [Place(WORLD)], str, "", scale)
    better = "higher is better" if metric.higher_is_better else "lower is better"
    return Table(f"{task_name(task)}: {metric.title}, {scale.unit} ({better})", "network", ("clean",), tuple(lines))


def means(results: ByTask, baselines: Grouped) -> Iterator[Table]:
    """Every task that has a mean: what predicts it, and every group."""
    for task in BASELINES.tasks:
        metric, scale = metric_of(task, curve_metric(task)), SCALES[task]
        ours, constants = results.against[NONE, task], Grouped(baselines.run, baselines.groups, metric.name)
        values = {name: each.each(name, Place(WORLD)) for each in (constants, ours) for name in each.groups}
        lines = [
            Line(name, "", text_cells(*(scale.number(end) for end in (min(known), max(known)))))
            for name, known in values.items()
            if known
        ]
        yield Table(f"{task_name(task)}: {metric.title}, {scale.unit}", "model", ("best", "worst"), tuple(lines))


def spread_table(results: ByTask, task: str) -> Table:
    """Q of a task by which one is attacked, of every group with its difference to no exchange."""
    places = [Place(WORLD, "apgd", SPREAD, "" if other == task else other) for other in TASKS]
    grouped = results.against[NONE, task]
    lines = group_lines(grouped, places, str, "")
    return Table(f"{task_name(task)}: Q in per cent", "network", tuple(map(task_name, TASKS)), tuple(lines))


if __name__ == "__main__":
    main()
