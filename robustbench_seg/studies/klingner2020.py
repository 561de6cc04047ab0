"""Klingner 2020: does depth learnt from video make segmentation robust? `python -m` this module runs the study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor, nn

from robustbench_seg.attacks.pgd import kurakin_steps
from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.config import resolve_device
from robustbench_seg.evaluation.spec import DataSpec, InMemory
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.catalogue.weights import digest
from robustbench_seg.report.cells import Line, Table, text_cells
from robustbench_seg.report.comparison import Scale
from robustbench_seg.report.names import full_name
from robustbench_seg.report.section import Drawing, Part, Section, drawn
from robustbench_seg.results.differences import differences_table
from robustbench_seg.results.files import write_table
from robustbench_seg.studies.experiments import Experiment, Options
from robustbench_seg.studies.figures import difference_figure, gain_figure, ratio_figure
from robustbench_seg.studies.findings import Finding, findings_section
from robustbench_seg.studies.grouped import Grouped, Place
from robustbench_seg.studies.page import read_paper, study_options, write_page, write_run
from robustbench_seg.studies.tables import group_lines
from robustbench_seg.studies.trainings import Training, training_table
from robustbench_seg.tasks.depth import MAX_DEPTH, MIN_DEPTH

NAME = "klingner2020"
SINGLE, MULTI, MEAN_MAP = "single task", "0.1", "mean depth map"
LAMBDAS = (MULTI, "0.2", "0.3", "0.5", "0.6", "0.9", "1.0")
HELPFUL = (MULTI, "0.2")
"""λ for which the paper's network gained on the domain of the video (table 2)."""
FIGURE_6 = (MULTI, "0.3", "0.6")
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
@click.option("--camvid", metavar="ROOT", help="CamVid's folder; without it the real-data variant is left out.")
def main(out: Path, work: Path, camvid: str | None, limit: int | None, device: str, workers: int) -> None:
    """Train what is not shipped, perturb all, and write page, figures and tables into OUT. Given again it resumes."""
    results = gather(Options(work, resolve_device(device), workers, limit, click.echo), camvid)
    parts = results.all
    runs = [one.run for one in parts]
    write_run(out, NAME, runs)
    write_table(differences_table([d for one in parts for d in one.all_differences]), out / "differences.csv")
    paper = read_paper(__file__)
    click.echo(f"study: {write_page(out, NAME, paper['page'], sections(results, paper), runs)}")


@dataclass(frozen=True)
class Results:
    """The runs of the study; `real` is missing without CamVid."""

    full: Grouped
    short: Grouped
    depth: Grouped
    real: Grouped | None

    @property
    def all(self) -> list[Grouped]:
        """Those that there are."""
        return [one for one in (self.full, self.short, self.depth, self.real) if one is not None]


def gather(options: Options, camvid: str | None) -> Results:
    """Trains and evaluates what is missing."""
    mean_map = InMemory(MEAN_MAP, mean_depth_map(DataSpec(FILMED, split="train").load()))
    real = replace(REAL_DATA, datasets=[DataSpec("camvid", camvid, "val")]).results(options, camvid) if camvid else None
    return Results(
        FULL_LENGTH.results(options),
        OVER_LAMBDA.results(options),
        replace(DEPTH, others={MEAN_MAP: mean_map}).results(options),
        real,
    )


def shown(kind: str) -> str:
    """A group's name in text."""
    return kind if kind in (SINGLE, MEAN_MAP) else f"λ = {kind}"


def findings(full: Grouped, short: Grouped) -> list[Finding]:
    """Every finding with a number here that bears on it."""
    clean = [Place(domain) for domain in DOMAINS]
    strong = [Place(domain, noise, e) for noise in NOISES for domain in DOMAINS for e in EPSILONS if e >= 2]
    attacked = [Place(domain, a, e) for a in ATTACKS for domain in DOMAINS for e in EPSILONS if not is_repeated(a, e)]
    fgsm = {domain: [Place(domain, "fgsm", e) for e in EPSILONS] for domain in DOMAINS}
    asked: Sequence[tuple[str, Grouped, Sequence[tuple[str, Place]]]] = (
        (
            "Multi-task training with λ = 0.1 improves clean mIoU, where segmentation is learnt and where depth is",
            full,
            [(MULTI, place) for place in clean],
        ),
        (
            "Where segmentation is learnt, every λ from 0.1 improves clean mIoU",
            short,
            [(kind, clean[0]) for kind in short.others],
        ),
        (
            "Where depth is learnt, λ = 0.1 and 0.2 improve clean mIoU (and 0.5 and 0.9, unlike them, harm it)",
            short,
            [(kind, clean[1]) for kind in HELPFUL],
        ),
        ("Under noise, λ = 0.1 retains more from ε = 2", full, [(MULTI, place) for place in strong]),
        ("Under FGSM and PGD, λ = 0.1 retains more at every ε", full, [(MULTI, place) for place in attacked]),
        (
            "Where segmentation is learnt, λ = 0.1, 0.3 and 0.6 alike retain more under FGSM",
            short,
            [(kind, place) for kind in FIGURE_6 for place in fgsm[LABELLED]],
        ),
        ("Where depth is learnt, λ = 0.1 does so too", short, [(MULTI, place) for place in fgsm[FILMED]]),
    )
    return [Finding(text, run.comparisons(cells, full if run is short else None)) for text, run, cells in asked]


def is_repeated(attack: str, epsilon: float) -> bool:
    """Whether this is FGSM again: PGD of one step."""
    return attack == "pgd" and kurakin_steps(epsilon) == 1


def sections(results: Results, paper: Mapping[str, Any]) -> list[Section]:
    """The sections of the page."""
    full, short, words = results.full, results.short, paper["page"]
    images = max(row.n_images for row in full.rows.values())
    found = [
        findings_section([words["holds"].format(images=images), words["judged"]], findings(full, short)),
        Section("tables", "Tables", "The paper's tables, ours beside the published numbers", [words["tables"]],
                [Part(tables=[table_2(full, short, paper), *tables_q(full, paper)])]),
        Section("figures", "Figures", "Figures", [], [Part(figures=files) for files in figures(full, short, paper)]),
    ]  # fmt: skip
    if results.real:
        found.append(Section("camvid", "Real data", "Real data", [words["real"]], [Part(tables=[real(results.real)])]))
    trained = [*FULL_LENGTH.trainings, *OVER_LAMBDA.trainings, *(REAL_DATA.trainings if results.real else ())]
    tables = [depth_table(results.depth), training_table(trained)]
    return [*found, Section("depth", "Depth", "Depth learnt from video", [words["depth"]], [Part(tables=tables)])]


def table_2(full: Grouped, short: Grouped, paper: Mapping[str, Any]) -> Table:
    """Clean mIoU on both domains."""
    places = [Place(domain) for domain in DOMAINS]
    lines = [*group_lines(full, places, shown, "full length"), *group_lines(short, places, shown, f"{SHORT} steps")]
    lines += [Line(shown(kind), "paper", text_cells(*(f"{value:.1f}" for value in row)))
              for kind, row in paper["miou"].items()]  # fmt: skip
    heads = ("street (Cityscapes)", "street-b (KITTI)")
    return Table("Table 2: clean mIoU in per cent, where segmentation is learnt and where depth is", "", heads,
                 tuple(lines))  # fmt: skip


def tables_q(full: Grouped, paper: Mapping[str, Any]) -> list[Table]:
    """Tables 3 and 4 on the domain of the labels, and the same of what the paper only draws."""
    numbers = {(LABELLED, "gaussian"): "Table 3: ", (LABELLED, "fgsm"): "Table 4: "}
    tables = []
    for domain, attack in [(domain, attack) for domain in DOMAINS for attack in (*NOISES, *ATTACKS)]:
        lines = group_lines(full, [Place(domain, attack, epsilon) for epsilon in EPSILONS], shown)
        for kind, row in paper["ratio"].get(attack, {}).items() if (domain, attack) in numbers else ():
            lines.append(Line(shown(kind), "paper, Cityscapes", text_cells(*(f"{value:.1f}" for value in row))))
        caption = f"{numbers.get((domain, attack), '')}{full_name(attack, '')} on {domain}"
        tables.append(Table(caption, "Q in per cent", tuple(f"ε = {e:g}" for e in EPSILONS), tuple(lines)))
    return tables


def real(found: Grouped) -> Table:
    """The real-data variant: clean mIoU and Q."""
    places = [Place("camvid"), *(Place("camvid", a, e) for a in REAL_DATA.attacks for e in REAL_DATA.epsilons)]
    frames = max((row.n_images for row in found.rows.values()), default=0)
    caption = f"Real data: segmentation of CamVid val ({frames} frames), depth from video of street-b, in per cent"
    heads = ("clean mIoU", *(f"ε = {place.epsilon:g}" for place in places[1:]))
    spans = (("", 1), *((f"{full_name(attack, '')}, Q", len(REAL_DATA.epsilons)) for attack in REAL_DATA.attacks))
    return Table(caption, "", heads, tuple(group_lines(found, places, shown, "1 seed")), spans)


def depth_table(depth: Grouped, domain: str = FILMED) -> Table:
    """AbsRel of depth learnt from video beside that of the mean depth map."""
    caption = f"Depth on {domain} val after median scaling: AbsRel, lower is better"
    return Table(caption, "", ("AbsRel",), tuple(group_lines(depth, [Place(domain)], shown, "", Scale())))


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


class _Constant(nn.Module):
    """The same depth (H,W) for every image."""

    depth: Tensor

    def __init__(self, depth: Tensor) -> None:
        super().__init__()
        self.register_buffer("depth", depth)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"depth": self.depth.expand(len(images), -1, -1)}


def mean_depth_map(dataset: Dataset) -> LoadedModel:
    """The mean over a data set of every pixel's valid depths, as a model that never looks at its image.

    Like depth learnt from video it is scaled to each label's median.
    """
    total = count = torch.zeros(())
    for index in range(len(dataset)):
        depth = torch.as_tensor(dataset[index].labels["depth"], dtype=torch.float64)
        valid = (depth > MIN_DEPTH) & (depth < MAX_DEPTH)
        total, count = total + depth * valid, count + valid
    # Where nothing was ever valid there is the sky.
    module = _Constant(torch.where(count > 0, total / count.clamp(min=1), torch.full_like(total, MAX_DEPTH)).float())
    return LoadedModel(MEAN_MAP, module.eval(), ("depth",), CITYSCAPES19, True, digest(module), "study")


if __name__ == "__main__":
    main()
