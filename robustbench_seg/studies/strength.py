"""How strong the attacks are, and what that costs. `python -m` this module runs the study."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import click
from matplotlib.figure import Figure

from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.errors import InputError
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
from robustbench_seg.results.run import Run
from robustbench_seg.studies import depth_losses
from robustbench_seg.studies.equal_gradients import Gap, counts_table, differences, models_table
from robustbench_seg.studies.experiments import Options, announced
from robustbench_seg.studies.page import read_paper, study_options, write_page
from robustbench_seg.studies.samples import SAMPLES, Images, Sampled, read_samples, write_samples

NAME = "strength"
EPSILONS = (0.5, 1.0, 2.0, 4.0)
CLOSER = ("street-single", "street-multi")
"""The models that are looked at more closely: curves over gradients, and SEA's own number of steps."""
IMAGES = 16
SHOWN = 1.0
"""The ε whose table is not folded away."""
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
TASKS = {"equal": tuple(EQUAL), "losses": (depth_losses.TASK,)}
"""The tasks that a protocol attacks, where it is not segmentation alone."""
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
        "losses": Protocol("losses", tuple(depth_losses.plans(EPSILONS, EQUAL_STEPS).values())),
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
    parts["losses"] = [name for name in depth_losses.MODELS if name in models]
    parts |= {"strong-300": CLOSER} if sea else {}
    found = {name: [measured(name, model, options) for model in own] for name, own in parts.items()}
    words = read_paper(__file__)["page"]
    every = [Run(options.work / name / model) for name, own in parts.items() for model in own]
    options_given = [f"-m {name}" for name in names] + ["--sea"] * sea
    by_loss = [Run(options.work / "losses" / model) for model in parts["losses"]]
    page = write_page(out, NAME, words, sections(found, by_loss, words), every, options_given)
    click.echo(f"study: {page}")


def measured(name: str, model: str, options: Options) -> Sampled:
    """What a protocol leaves of a model on street; measured where that is not there yet, resuming where it stopped."""
    folder, images = options.work / name / model, options.limit or IMAGES
    if not (folder / SAMPLES).is_file():
        config = EvaluationConfig(
            models=[ModelSpec(model)],
            datasets=[DataSpec("street")],
            protocol=protocols()[name],
            tasks=TASKS.get(name, ("semantic",)),
            limit=images,
            device=options.device,
            workers=options.workers,
            given={"study": NAME, "part": name},
        )
        announce = announced(f"{name}, {model}", options.announce)
        run_evaluation(PreparedEvaluation(config, folder), folder, announce)
        write_samples(folder)
    found = read_samples(folder / SAMPLES)
    if found.n_images != images:
        raise InputError(f"{folder}: is over {found.n_images} images, not {images}; give another -o or remove it")
    return found


Parts = Mapping[str, Sequence[Sampled]]
"""The models of each part."""


def sections(found: Parts, by_loss: Sequence[Run], words: Mapping[str, Any]) -> list[Section]:
    """The sections of the page; `by_loss` are the runs that attack depth by several losses."""
    labels = {task: [rung(task, *attack, EQUAL_STEPS).label for attack in attacks] for task, attacks in EQUAL.items()}
    tasks = [(model, task) for model in found["equal"] for task in EQUAL if task in model.tasks]
    gaps = [gap for model, task in tasks for gap in differences(model, task, labels[task])]
    gaps = [replace(gap, comparisons=len(gaps)) for gap in gaps]
    strong, fast = (gradients(protocols()[name]) for name in ("strong", "fast-strong"))
    facts = {
        "images": found["ladder"][0].n_images,
        "half": found["ladder"][0].n_images // 2,
        "steps": EQUAL_STEPS,
        "comparisons": len(gaps),
        "strong": f"{strong:g}",
        "fast": f"{fast:g}",
        "share": f"{fast / strong:.0%}",
    }
    text = {
        name: [each.format(**facts) for each in words[name]] for name in ("equal", "losses", "ladder", "strong", "fast")
    }
    curves = drawn("curves", [Drawing("gradients", text["ladder"][0], partial(gradients_figure, found))])
    return [
        Section("worst", "Worst case", "The worst case", text["strong"], [Part(tables=[worst_table(found)])]),
        Section("equal", "Equal gradients", "Attack by attack at equal gradients", text["equal"], equal_parts(gaps)),
        Section("losses", "Losses of depth", "Why CosPGD is weaker on depth", text["losses"], losses_parts(by_loss)),
        Section("gradients", "Gradients", "mIoU over gradients", [], [Part(figures=files) for files in curves]),
        Section("fast", "fast-strong", "How near fast-strong is", text["fast"], [Part(tables=[halves_table(found)])]),
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


def losses_parts(runs: Sequence[Run]) -> list[Part]:
    """A table at ε = 1, and the others folded away."""
    attacks = depth_losses.plans(EPSILONS, EQUAL_STEPS)
    tables = {epsilon: depth_losses.losses_table(runs, attacks, epsilon) for epsilon in EPSILONS}
    return [Part(tables=[tables.pop(SHOWN)], folded=list(tables.values()))]


def worst_table(found: Parts) -> Table:
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
    for model, epsilon in itertools.product([each.model for each in found["strong"]], EPSILONS):
        known = [(by_model.get((part, model)), label) for part, label in columns.values()]
        cells = [
            DASH if each is None else PERCENT.number(each.at("semantic", label, epsilon).value) for each, label in known
        ]
        lines.append(Line(model, f"ε = {epsilon:g}", text_cells(*cells)))
    return Table("mIoU in per cent", "model", tuple(columns), tuple(lines))


def gradients(protocol: Protocol) -> float:
    """Gradients per image and ε of all its attacks on segmentation together."""
    plans = [plan for plan in protocol.attacks if plan.name != WORST and "semantic" in (plan.objectives or ())]
    return sum(make_attack(plan.name, plan.params).num_gradients(plan.epsilons) for plan in plans) / len(EPSILONS)


def gradients_figure(found: Parts) -> Figure:
    """MIoU over gradients per image and ε: one panel per model and ε, one line per attack and loss."""
    canvas = titled("mIoU over gradients per image and ε")
    grid = canvas.subplots(len(found["ladder"]), len(EPSILONS), sharex=True, sharey="col", squeeze=False)
    strong = {each.model: each for each in found["strong"]}
    for row, model in zip(grid, found["ladder"], strict=True):
        for axes, epsilon in zip(row, EPSILONS, strict=True):
            for ((name, loss), ladder), ink in zip(LADDER.items(), INKS, strict=False):
                plans = [rung("semantic", name, loss, steps) for steps in ladder]
                values = [100 * model.at("semantic", plan.label, epsilon).value for plan in plans]
                axes.plot(ladder, values, color=ink, marker="o", label=titled_by_loss(name, loss))
            reached = 100 * strong[model.model].at("semantic", WORST, epsilon).value
            axes.axhline(reached, color="#1a1a1a", linestyle=(0, (4, 1.6)), linewidth=1.1, label="strong, worst case")
            axes.set_xscale("log")
            axes.set_xticks([10, 20, 40, 80], ["10", "20", "40", "80"])
            axes.minorticks_off()
            axes.set_title(f"{model.model}, ε = {epsilon:g}", fontsize=9, pad=6)
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


def halves_table(found: Parts) -> Table:
    """How far the worst case of `fast-strong` is above that of `strong`, where it was chosen and on other images."""
    strong = {each.model: each for each in found["strong"]}
    halves = Images.FIRST_HALF, Images.SECOND_HALF

    def above(model: Sampled, epsilon: float, images: Images) -> str:
        fast, slow = (each.at("semantic", WORST, epsilon, images).value for each in (model, strong[model.model]))
        return PERCENT.signed(fast - slow)

    lines = [
        Line(model.model, f"ε = {epsilon:g}", text_cells(*(above(model, epsilon, images) for images in halves)))
        for model, epsilon in itertools.product(found["fast-strong"], EPSILONS)
    ]
    heads = (f"images 1 to {found['strong'][0].n_images // 2}", "the others")
    return Table("fast-strong above strong, points of mIoU", "model", heads, tuple(lines))


if __name__ == "__main__":
    main()
