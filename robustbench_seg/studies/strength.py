"""How strong the attacks are, and what that costs. `python -m` this module runs the study."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from matplotlib.figure import Figure

from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.evaluation.config import EvaluationConfig, resolve_device
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.models.catalogue.card import read_card
from robustbench_seg.models.registry import card_folders
from robustbench_seg.protocol import PROTOCOLS, AttackPlan, Protocol
from robustbench_seg.protocol_options import override
from robustbench_seg.report.canvas import WIDTH, titled
from robustbench_seg.report.cells import DASH, Line, Table, text_cells
from robustbench_seg.report.comparison import PERCENT
from robustbench_seg.report.section import Drawing, Part, Section, drawn
from robustbench_seg.results.keys import WORST
from robustbench_seg.results.names import attack_title
from robustbench_seg.results.pair import PairResults, pairs_of
from robustbench_seg.results.run import STORE, Run
from robustbench_seg.results.store import Store
from robustbench_seg.studies.equal_gradients import Gap, counts_table, differences, models_table, sample
from robustbench_seg.studies.experiments import Options, announced
from robustbench_seg.studies.page import read_paper, study_options, write_page

NAME = "strength"
EPSILONS = (0.5, 1.0, 2.0, 4.0)
CLOSER = ("street-single", "street-multi")
"""The models that are looked at more closely: curves over gradients, and SEA's own number of steps."""
IMAGES = 16
SEA_STEPS = 300

LADDER = {
    ("pgd", ""): (10, 20, 40),
    ("pgd", "masked_ce"): (10, 20),
    ("mi_fgsm", ""): (10, 20),
    ("segpgd", "segpgd"): (10, 20, 40),
    ("cospgd", "cosine"): (10, 20, 40),
    ("apgd", ""): (10, 20),
    ("apgd", "cosine"): (10, 20, 40, 80),
    ("apgd", "masked_ce"): (10, 20, 40, 80),
}
"""Numbers of steps by attack and loss, on segmentation."""
EQUAL_STEPS = 20
EQUAL = {
    "semantic": (("pgd", ""), ("segpgd", "segpgd"), ("cospgd", "cosine"), ("apgd", "masked_ce")),
    "depth": (("pgd", ""), ("cospgd", "cosine"), ("apgd", "")),
}
"""Attacks and losses that are compared at equal gradients with the first, by task."""
INKS = ("#1a1a1a", "#7b4a9e", "#b8860b", "#4f7a28", "#2d6a9f", "#c2477f", "#e07b39", "#b3541e")
PAPER = AttackPlan("pgd", EPSILONS, "linf", ("semantic",), {"steps": 0, "alpha": 1.0, "scale_free": False}, "paper")


def rung(task: str, name: str, loss: str, steps: int) -> AttackPlan:
    """An attack at a number of steps; APGD of 40 or more as the strong protocols run it, through larger balls."""
    form = {"warm_start": True, "stages": steps >= 40} if name == "apgd" else {}
    variant = ", ".join(filter(None, (loss, f"{steps} steps")))
    return AttackPlan(name, EPSILONS, "linf", (task,), {"loss": loss, "steps": steps, **form}, variant)


def protocols() -> dict[str, Protocol]:
    """The protocols of the study by name."""
    ladder = [rung("semantic", *attack, steps) for attack, ladder in LADDER.items() for steps in ladder]
    equal = [rung(task, *attack, EQUAL_STEPS) for task, attacks in EQUAL.items() for attack in attacks]
    strong = PROTOCOLS.get("strong")
    return {
        "ladder": Protocol("ladder", tuple(ladder)),
        "strong": strong,
        "fast-strong": PROTOCOLS.get("fast-strong"),
        "equal": Protocol("equal", (PAPER, *equal, AttackPlan(WORST, EPSILONS, "linf"))),
        "strong-300": override(strong, [("apgd", "steps", SEA_STEPS)]),
    }


@click.command()
@study_options(NAME)
@click.option("-m", "--model", "names", multiple=True, help="Models of street to look at (default: all that ship).")
@click.option(
    "--sea", is_flag=True, help=f"Also `strong` with the {SEA_STEPS} steps of SEA, on {' and '.join(CLOSER)}."
)
def main(out: Path, limit: int | None, device: str, workers: int, names: Sequence[str], sea: bool) -> None:
    """Attack the models of street; write a run per protocol and the study into OUT. Given again it resumes."""
    options = Options(out, resolve_device(device), workers, limit, click.echo)
    shipped = [name for name in card_folders() if name.startswith(("street", "klingner"))]
    models = list(dict.fromkeys((*CLOSER, *(names or shipped))))
    segmenting = [name for name in models if "semantic" in read_card(card_folders()[name]).tasks]
    parts = {"ladder": CLOSER, "strong": segmenting, "fast-strong": segmenting, "equal": models}
    parts |= {"strong-300": CLOSER} if sea else {}
    runs = {name: [measured(name, model, options) for model in own] for name, own in parts.items()}
    with ExitStack() as stack:
        pairs = {
            name: [pair for run in own for pair in pairs_of(stack.enter_context(Store(run.folder / STORE)))]
            for name, own in runs.items()
        }
        words = read_paper(__file__)["page"]
        every = [run for own in runs.values() for run in own]
        options_given = [f"-m {name}" for name in names] + ["--sea"] * sea
        page = write_page(out, NAME, words, sections(pairs, words), every, options_given)
    click.echo(f"study: {page}")


def measured(name: str, model: str, options: Options) -> Run:
    """The run of a protocol on a model of street; given again it resumes."""
    folder = options.work / name / model
    config = EvaluationConfig(
        models=[ModelSpec(model)],
        datasets=[DataSpec("street")],
        protocol=protocols()[name],
        tasks=list(EQUAL) if name == "equal" else ["semantic"],
        limit=options.limit or IMAGES,
        device=options.device,
        workers=options.workers,
        given={"study": NAME, "part": name},
    )
    return run_evaluation(PreparedEvaluation(config, folder), folder, announced(f"{name}, {model}", options.announce))


Pairs = Mapping[str, Sequence[PairResults]]
"""The models of each run."""


def sections(pairs: Pairs, words: Mapping[str, Any]) -> list[Section]:
    """The sections of the page."""
    labels = {task: [rung(task, *attack, EQUAL_STEPS).label for attack in attacks] for task, attacks in EQUAL.items()}
    tasks = [(pair, task) for pair in pairs["equal"] for task in EQUAL if task in pair.tasks]
    gaps = [gap for pair, task in tasks for gap in differences(pair, task, labels[task])]
    gaps = [replace(gap, comparisons=len(gaps)) for gap in gaps]
    facts = {
        "images": pairs["ladder"][0].n_images,
        "half": pairs["ladder"][0].n_images // 2,
        "steps": EQUAL_STEPS,
        "comparisons": len(gaps),
        "strong": f"{cost(pairs['strong'][0]):g}",
        "fast": f"{cost(pairs['fast-strong'][0]):g}",
        "share": f"{cost(pairs['fast-strong'][0]) / cost(pairs['strong'][0]):.0%}",
    }
    text = {name: [each.format(**facts) for each in words[name]] for name in ("equal", "ladder", "strong", "fast")}
    curves = drawn("curves", [Drawing("gradients", text["ladder"][0], partial(gradients_figure, pairs))])
    return [
        Section("worst", "Worst case", "The worst case", text["strong"], [Part(tables=[worst_table(pairs)])]),
        Section("equal", "Equal gradients", "Attack by attack at equal gradients", text["equal"], equal_parts(gaps)),
        Section("gradients", "Gradients", "mIoU over gradients", [], [Part(figures=files) for files in curves]),
        Section("fast", "fast-strong", "How near fast-strong is", text["fast"], [Part(tables=[halves_table(pairs)])]),
    ]


def equal_parts(gaps: Sequence[Gap]) -> list[Part]:
    """A table of counts per task, and every number folded away."""
    parts = []
    for task, attacks in EQUAL.items():
        titles = {rung(task, *attack, EQUAL_STEPS).label: titled_by_loss(*attack) for attack in attacks}
        own = [gap for gap in gaps if gap.task == task]
        if own:
            parts.append(Part(tables=[counts_table(task, own, titles)]))
            tables = [models_table(own, epsilon, titles) for epsilon in EPSILONS]
            parts.append(Part("Every model, with intervals", tables=tables, is_open=False))
    return parts


def worst_table(pairs: Pairs) -> Table:
    """The mIoU of every model under the papers' PGD, PGD-20 and both worst cases; with SEA's steps where measured."""
    columns = {
        "PGD as in the papers": ("equal", PAPER.label),
        f"PGD-{EQUAL_STEPS}": ("equal", rung("semantic", "pgd", "", EQUAL_STEPS).label),
        "fast-strong": ("fast-strong", WORST),
        "strong": ("strong", WORST),
        f"strong, {SEA_STEPS} steps": ("strong-300", WORST),
    }
    columns = {name: column for name, column in columns.items() if column[0] in pairs}
    by_model = {(run, pair.pair.model): pair for run, of_run in pairs.items() for pair in of_run}
    lines = []
    for model, epsilon in itertools.product([pair.pair.model for pair in pairs["strong"]], EPSILONS):
        known = [(by_model.get((run, model)), label) for run, label in columns.values()]
        cells = [
            DASH if pair is None else PERCENT.number(sample(pair, label, "semantic", epsilon).value)
            for pair, label in known
        ]
        lines.append(Line(model, f"ε = {epsilon:g}", text_cells(*cells)))
    return Table("mIoU in per cent", "model", tuple(columns), tuple(lines))


def cost(pair: PairResults) -> float:
    """Gradients per image and ε of all attacks on segmentation together."""
    own = [each for each in pair.pair.configurations if each.objective == "semantic"]
    grids = [(make_attack(each.attack, each.params), [epsilon or 0.0 for epsilon in each.epsilons]) for each in own]
    return sum(attack.num_gradients(grid) for attack, grid in grids) / len(EPSILONS)


def gradients_figure(pairs: Pairs) -> Figure:
    """MIoU over gradients per image and ε: one panel per model and ε, one line per attack and loss."""
    canvas = titled("mIoU over gradients per image and ε")
    grid = canvas.subplots(len(pairs["ladder"]), len(EPSILONS), sharex=True, sharey="col", squeeze=False)
    strong = {pair.pair.model: pair for pair in pairs["strong"]}
    for row, pair in zip(grid, pairs["ladder"], strict=True):
        for axes, epsilon in zip(row, EPSILONS, strict=True):
            for ((name, loss), ladder), ink in zip(LADDER.items(), INKS, strict=False):
                plans = [rung("semantic", name, loss, steps) for steps in ladder]
                values = [100 * sample(pair, plan.label, "semantic", epsilon).value for plan in plans]
                axes.plot(ladder, values, color=ink, marker="o", label=titled_by_loss(name, loss))
            reached = 100 * sample(strong[pair.pair.model], WORST, "semantic", epsilon).value
            axes.axhline(reached, color="#1a1a1a", linestyle=(0, (4, 1.6)), linewidth=1.1, label="strong, worst case")
            axes.set_xscale("log")
            axes.set_xticks([10, 20, 40, 80], ["10", "20", "40", "80"])
            axes.minorticks_off()
            axes.set_title(f"{pair.pair.model}, ε = {epsilon:g}", fontsize=9, pad=6)
        row[0].set_ylabel("mIoU, %")
    for axes in grid[-1]:
        axes.set_xlabel("gradients")
    handles, labels = grid[0, 0].get_legend_handles_labels()
    canvas.legend(handles, labels, loc="outside lower center", ncols=5)
    canvas.set_size_inches(WIDTH, 2.5 * len(grid) + 0.9)
    return canvas


def titled_by_loss(name: str, loss: str) -> str:
    """An attack's title, with its loss where that is a choice."""
    own = {"": "", "segpgd": "", "cosine": "cosine loss", "masked_ce": "masked cross-entropy"}[loss]
    return ", ".join(filter(None, (attack_title(name), own if name in ("pgd", "apgd") else "")))


def halves_table(pairs: Pairs) -> Table:
    """How far the worst case of `fast-strong` is above that of `strong`, where it was chosen and on other images."""
    strong = {pair.pair.model: pair for pair in pairs["strong"]}
    count = pairs["strong"][0].n_images
    halves = range(count // 2), range(count // 2, count)

    def above(pair: PairResults, epsilon: float, images: Sequence[int]) -> str:
        fast, slow = (
            sample(each, WORST, "semantic", epsilon, images).value for each in (pair, strong[pair.pair.model])
        )
        return PERCENT.signed(fast - slow)

    lines = [
        Line(pair.pair.model, f"ε = {epsilon:g}", text_cells(*(above(pair, epsilon, images) for images in halves)))
        for pair, epsilon in itertools.product(pairs["fast-strong"], EPSILONS)
    ]
    heads = (f"images 1 to {count // 2}", "the others")
    return Table("fast-strong above strong, points of mIoU", "model", heads, tuple(lines))


if __name__ == "__main__":
    main()
