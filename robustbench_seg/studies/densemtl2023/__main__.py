"""Runs the study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from robustbench_seg.evaluation.config import resolve_device
from robustbench_seg.results.differences import differences_table
from robustbench_seg.results.files import write_table
from robustbench_seg.results.gains import gains_table
from robustbench_seg.studies.densemtl2023 import page
from robustbench_seg.studies.densemtl2023.settings import (
    BASELINES,
    CLEAN_RUN,
    NAME,
    NONE,
    ROBUST,
    SETTINGS,
    SINGLE,
    by_task,
    mean_predictors,
)
from robustbench_seg.studies.experiments import Options
from robustbench_seg.studies.page import read_paper, study_options, write_page, write_run


@click.command()
@study_options(NAME)
@click.option("--work", type=click.Path(path_type=Path), default=Path(f"runs/{NAME}"), show_default=True,
              help="Checkpoints, models and runs; what is there is not done again.")  # fmt: skip
@click.option("--also", multiple=True, type=click.Choice([*SETTINGS][1:]), help="Further comparisons.")
def main(out: Path, work: Path, limit: int | None, device: str, workers: int, also: Sequence[str]) -> None:
    """Train what is not shipped, perturb all, and write page, figures and tables into OUT. Given again it resumes."""
    options = Options(work, resolve_device(device), workers, limit, click.echo)
    shown = [SETTINGS[name] for name in (CLEAN_RUN.name, *also)]
    clean, robust = {each.name: each.results(options) for each in shown}, by_task(ROBUST, options)
    baselines = replace(BASELINES, others=mean_predictors()).results(options)
    runs = [*(each.run for each in clean.values()), robust.run, baselines.run]
    write_run(out, NAME, runs)
    gains = [gain for each in shown for gain in clean[each.name].gains(each.first)]
    write_table(gains_table([*gains, *robust.gains(SINGLE)]), out / "gains.csv")
    differences = [found for each in shown for found in clean[each.name].differences(each.first)]
    write_table(differences_table([*differences, *robust.differences(NONE)]), out / "differences.csv")
    paper = read_paper(page.__file__)
    given = [f"--also {name}" for name in also]
    path = write_page(out, NAME, paper["page"], page.sections(clean, robust, baselines, paper), runs, given)
    click.echo(f"study: {path}")


if __name__ == "__main__":
    main()
