"""Klingner 2020: does depth learnt from video make segmentation robust? `python -m` this module runs the study."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click

from robustbench_seg.attacks.pgd import kurakin_steps
from robustbench_seg.evaluation.config import resolve_device
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.report.cells import Line, Table, text_cells
from robustbench_seg.report.comparison import Scale
from robustbench_seg.report.section import Drawing, Part, Section, drawn
from robustbench_seg.results.differences import differences_table
from robustbench_seg.results.files import write_table
from robustbench_seg.results.names import full_name
from robustbench_seg.studies.experiments import Experiment, Options
from robustbench_seg.studies.figures import difference_figure, gain_figure, ratio_figure
from robustbench_seg.studies.findings import Finding, findings_section
from robustbench_seg.studies.grouped import Grouped, Place, claimed
from robustbench_seg.studies.mean_map import constant, mean_depth
from robustbench_seg.studies.page import read_paper, study_options, write_page, write_run
from robustbench_seg.studies.tables import group_lines
from robustbench_seg.studies.trainings import Training, training_table
from robustbench_seg.tasks.depth_align import MEDIAN

NAME = "klingner2020"
SINGLE, MULTI, MEAN_MAP = "single task", "0.1", "mean depth map"
LAMBDAS = (MULTI, "0.2", "0.3", "0.5", "0.6", "0.9", "1.0")
HELPFUL = (MULTI, "0.2")
"""λ for which the paper's network gained on the domain of the video (table 2)."""
SEEDS = (None, 1, 2)
"""The recipe's own, which is 0, and two more."""
SHORT = 600
"""Steps of the ablation; all of its networks have the same."""
EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
LABELLED, FILMED = DOMAINS = ("street", "street-b")
"""Where segmentation is learnt, and where depth is: the paper's Cityscapes and KITTI."""
NOISES, ATTACKS = ("gaussian", "salt_and_pepper"), ("fgsm", "pgd")


def recipe(kind: str, data: str = "") -> str:
    """The recipe of `single task` or of a λ; `data` is `camvid-` for the real-data variant."""
    return f"klingner-{data}single" if kind == SINGLE else f"klingner-{data}multi-{kind}"


_FULL = {kind: [Training(recipe(kind), seed) for seed in SEEDS] for kind in (SINGLE, MULTI)}
_SHORT = {kind: [Training(recipe(kind), steps=SHORT)] for kind in (SINGLE, *LAMBDAS)}
_REAL = {kind: [Training(recipe(kind, "camvid-"), root="CAMVID")] for kind in (SINGLE, *HELPFUL)}

FULL_LENGTH = Experiment("full", NAME, _FULL, [DataSpec(name) for name in DOMAINS], ["semantic"], "miou")
"""Trained to the end, several times."""
OVER_LAMBDA = replace(FULL_LENGTH, name="ablation", groups=_SHORT, attacks=("fgsm",))
"""Trained once each, shorter, and as long as each other."""
REAL_DATA = replace(
    FULL_LENGTH, name="camvid", groups=_REAL, attacks=("gaussian", "fgsm"), epsilons=(0.25, 1.0, 4.0, 16.0)
)
"""Segmentation of CamVid, depth from video of street-b."""
# A run needs one perturbation; the clean cells are what is shown.
DEPTH = Experiment(
    "depth", NAME, {MULTI: _FULL[MULTI]}, [DataSpec(FILMED)], ["depth"], "abs_rel", ("gaussian",), (1.0,)
)
"""Depth of the full-length multi-task networks where it was learnt, beside the training split's mean depth map."""


@click.command()
@study_options(NAME)
@click.option("--work", type=click.Path(path_type=Path), default=Path(f"runs/{NAME}"), show_default=True,
              help="Checkpoints, models and runs; what is there is not done again.")  # fmt: skip
@click.option("--camvid", metavar="ROOT", help="CamVid's folder; without it the real-data variant is skipped.")
def main(out: Path, work: Path, camvid: str | None, limit: int | None, device: str, workers: int) -> None:
    """Train what is not shipped, perturb all, and write page, figures and tables into OUT. Given again it resumes."""
    results = gather(Options(work, resolve_device(device), workers, limit, click.echo), camvid)
    parts = [grouped for grouped in results if grouped]
    runs = [grouped.run for grouped in parts]
    write_run(out, NAME, runs)
    differences = [difference for grouped in parts for difference in grouped.all_differences]
    write_table(differences_table(differences), out / "differences.csv")
    paper = read_paper(__file__)
    click.echo(f"study: {write_page(out, NAME, paper['page'], sections(results, paper), runs)}")


class Results(NamedTuple):
    """The runs of the study; `real` is missing without CamVid."""

    full: Grouped
    short: Grouped
    depth: Grouped
    real: Grouped | None


def gather(options: Options, camvid: str | None) -> Results:
    """Trains and evaluates what is missing."""
    # Like depth learnt from video it is scaled to each label's median.
    filmed = DataSpec(FILMED, split="train").load()
    mean_map = constant(MEAN_MAP, "depth", mean_depth(filmed), filmed, depth_align=MEDIAN)
    real = replace(REAL_DATA, datasets=[DataSpec("camvid", camvid, "val")]).results(options, camvid) if camvid else None
    depth = replace(DEPTH, others={MEAN_MAP: mean_map})
    return Results(FULL_LENGTH.results(options), OVER_LAMBDA.results(options), depth.results(options), real)


def shown(kind: str) -> str:
    """A group's name in text."""
    return kind if kind in (SINGLE, MEAN_MAP) else f"λ = {kind}"


def findings(full: Grouped, short: Grouped, paper: Mapping[str, Any]) -> list[Finding]:
    """Every finding with a number here that bears on it."""
    runs = {"full": (full, None), "short": (short, full)}
    every = []
    for claim in paper["findings"]:
        grouped, seeds = runs[claim["run"]]
        cells = [(group, place) for group, place in claimed(claim, EPSILONS) if not is_fgsm(place)]
        comparisons = grouped.comparisons(cells, seeds)
        every.append(Finding(claim["text"], [replace(each, subject=shown(each.subject)) for each in comparisons]))
    return every


def is_fgsm(place: Place) -> bool:
    """Whether this is FGSM again: PGD of one step."""
    return place.attack == "pgd" and kurakin_steps(place.epsilon or 0.0) == 1


def sections(results: Results, paper: Mapping[str, Any]) -> list[Section]:
    """The sections of the page."""
    full, short, words = results.full, results.short, paper["page"]
    images = max(row.n_images for row in full.rows.values())
    parts = [
        findings_section([words["holds"].format(images=images), words["judged"]], findings(full, short, paper)),
        Section("tables", "Tables", "The paper's tables, ours beside the published numbers", [words["tables"]],
                [Part(tables=[table_2(full, short, paper), *tables_q(full, paper)])]),
        Section("figures", "Figures", "Figures", [], [Part(figures=files) for files in figures(full, short, paper)]),
    ]  # fmt: skip
    if results.real:
        parts.append(Section("camvid", "Real data", "Real data", [words["real"]], [Part(tables=[real(results.real)])]))
    trained = [*FULL_LENGTH.trainings, *OVER_LAMBDA.trainings, *(REAL_DATA.trainings if results.real else ())]
    tables = [depth_table(results.depth), training_table(trained)]
    return [*parts, Section("depth", "Depth", "Depth learnt from video", [words["depth"]], [Part(tables=tables)])]


def table_2(full: Grouped, short: Grouped, paper: Mapping[str, Any]) -> Table:
    """Clean mIoU on both domains."""
    places = [Place(domain) for domain in DOMAINS]
    ours = [*group_lines(full, places, shown, "full length"), *group_lines(short, places, shown, f"{SHORT} steps")]
    theirs = [_published(kind, "paper", row) for kind, row in paper["miou"].items()]
    caption = "Table 2: clean mIoU in per cent, where segmentation is learnt and where depth is"
    return Table(caption, "", ("street (Cityscapes)", "street-b (KITTI)"), (*ours, *theirs))


def tables_q(full: Grouped, paper: Mapping[str, Any]) -> list[Table]:
    """Tables 3 and 4 on the domain of the labels, and the same of what the paper only draws."""
    numbers = {(LABELLED, "gaussian"): "Table 3: ", (LABELLED, "fgsm"): "Table 4: "}
    heads = tuple(f"ε = {epsilon:g}" for epsilon in EPSILONS)
    tables = []
    for domain, attack in itertools.product(DOMAINS, (*NOISES, *ATTACKS)):
        ours = group_lines(full, [Place(domain, attack, epsilon) for epsilon in EPSILONS], shown)
        rows = paper["ratio"].get(attack, {}) if domain == LABELLED else {}
        theirs = [_published(kind, "paper, Cityscapes", row) for kind, row in rows.items()]
        caption = f"{numbers.get((domain, attack), '')}{full_name(attack, '')} on {domain}"
        tables.append(Table(caption, "Q in per cent", heads, (*ours, *theirs)))
    return tables


def _published(kind: str, tag: str, row: Sequence[float]) -> Line:
    return Line(shown(kind), tag, text_cells(*(f"{value:.1f}" for value in row)))


def real(grouped: Grouped) -> Table:
    """The real-data variant: clean mIoU and Q."""
    places = [Place("camvid"), *(Place("camvid", a, e) for a in REAL_DATA.attacks for e in REAL_DATA.epsilons)]
    frames = max((row.n_images for row in grouped.rows.values()), default=0)
    caption = f"Real data: segmentation of CamVid val ({frames} frames), depth from video of street-b, in per cent"
    heads = ("clean mIoU", *(f"ε = {place.epsilon:g}" for place in places[1:]))
    spans = (("", 1), *((f"{full_name(attack, '')}, Q", len(REAL_DATA.epsilons)) for attack in REAL_DATA.attacks))
    return Table(caption, "", heads, tuple(group_lines(grouped, places, shown, "1 seed")), spans)


def depth_table(depth: Grouped) -> Table:
    """AbsRel of depth learnt from video beside that of the mean depth map."""
    caption = f"Depth on {FILMED} val after median scaling: AbsRel, lower is better"
    return Table(caption, "", ("AbsRel",), tuple(group_lines(depth, [Place(FILMED)], shown, "", Scale())))


def figures(full: Grouped, short: Grouped, paper: Mapping[str, Any]) -> list[Any]:
    """Figures 4, 5 and 6, with the paper's values where it prints them."""
    panels = {LABELLED: "street (paper: Cityscapes)", FILMED: "street-b (paper: KITTI)"}
    attacks = (*NOISES, *ATTACKS)
    makers = (
        partial(gain_figure, short, panels, paper["miou"]),
        partial(ratio_figure, full, DOMAINS, attacks, EPSILONS, paper["ratio"], shown),
        partial(difference_figure, short, full, DOMAINS, "fgsm", EPSILONS, shown),
    )
    captions = paper["page"]["figures"]
    return drawn("figure", [Drawing(n, captions[n], make) for n, make in zip("456", makers, strict=True)])


if __name__ == "__main__":
    main()
