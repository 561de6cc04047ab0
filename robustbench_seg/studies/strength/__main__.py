"""Runs the study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.config import EvaluationConfig, resolve_device
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.models.catalogue.card import read_card
from robustbench_seg.models.registry import card_folders
from robustbench_seg.results.run import Run
from robustbench_seg.studies.experiments import Options, announced
from robustbench_seg.studies.page import read_paper, study_options, write_page
from robustbench_seg.studies.strength import depth_losses, page
from robustbench_seg.studies.strength.samples import SAMPLES, Sampled, read_samples, write_samples
from robustbench_seg.studies.strength.settings import CLOSER, FAMILIES, IMAGES, NAME, SEA_STEPS, TASKS, protocols


@click.command()
@study_options(NAME)
@click.option(
    "-m",
    "--model",
    "names",
    multiple=True,
    help="Models of street to look at (default: those of UniNet's and Klingner's studies).",
)
@click.option(
    "--sea", is_flag=True, help=f"Also `strong` with the {SEA_STEPS} steps of SEA, on {' and '.join(CLOSER)}."
)
def main(out: Path, limit: int | None, device: str, workers: int, names: Sequence[str], sea: bool) -> None:
    """Attack the models of street; write a run per protocol and the study into OUT. Given again it resumes."""
    options = Options(out, resolve_device(device), workers, limit, click.echo)
    shipped = [name for name in card_folders() if name.startswith(FAMILIES)]
    models = list(dict.fromkeys((*CLOSER, *(names or shipped))))
    segmenting = [name for name in models if "semantic" in read_card(card_folders()[name]).tasks]
    parts = {"ladder": CLOSER, "strong": segmenting, "fast-strong": segmenting, "equal": models}
    parts["losses"] = [name for name in depth_losses.MODELS if name in models]
    parts |= {"strong-300": CLOSER} if sea else {}
    found = {name: [measured(name, model, options) for model in own] for name, own in parts.items()}
    words = read_paper(page.__file__)["page"]
    every = [Run(options.work / name / model) for name, own in parts.items() for model in own]
    options_given = [f"-m {name}" for name in names] + ["--sea"] * sea
    by_loss = [Run(options.work / "losses" / model) for model in parts["losses"]]
    path = write_page(out, NAME, words, page.sections(found, by_loss, words), every, options_given)
    click.echo(f"study: {path}")


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


if __name__ == "__main__":
    main()
