"""The study's command: `python -m robustbench_seg.studies.klingner2020`."""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pandas as pd

from robustbench_seg.evaluation.config import resolve_device
from robustbench_seg.evaluation.run import make_folder
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.report.cells import Table
from robustbench_seg.report.rendering import environment
from robustbench_seg.results.differences import differences_table
from robustbench_seg.results.files import write_table, write_text
from robustbench_seg.studies.klingner2020.experiments import (
    FULL_LENGTH,
    OVER_LAMBDA,
    REAL_DATA,
    Options,
    depth_results,
    street_data,
)
from robustbench_seg.studies.klingner2020.figures import figure_files
from robustbench_seg.studies.klingner2020.findings import judged
from robustbench_seg.studies.klingner2020.results import Results
from robustbench_seg.studies.klingner2020.tables import (
    camvid_table,
    depth_table,
    table_2,
    tables_q,
    training_lines,
)
from robustbench_seg.studies.klingner2020.words import paragraph

_HERE = Path(__file__).parent


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("reports/klingner2020"), show_default=True)
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/klingner2020"), show_default=True,
              help="Checkpoints, models and runs; what is there is not done again.")  # fmt: skip
@click.option("--camvid", metavar="ROOT", help="CamVid's folder; without it the real-data variant is left out.")
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N images.")
@click.option("--device", default="auto", show_default=True)
@click.option("--workers", type=int, default=0, help="0: one a core.")
def main(out: Path, work: Path, camvid: str | None, limit: int | None, device: str, workers: int) -> None:
    """Train what is not shipped, perturb all, and write page, figures and tables into OUT. Given again it resumes."""
    make_folder(out / "figures")
    options = Options(work, resolve_device(device), workers, limit, camvid, click.echo)
    results = gather(options)
    write_table(pd.concat([one.run.summary for one in results.all], ignore_index=True), out / "summary.csv")
    write_table(
        differences_table([d for one in results.all for d in one.comparison.differences]), out / "differences.csv"
    )
    provenance = {one.run.folder.name: dict(one.run.info) for one in results.all}
    write_text(json.dumps(provenance, indent=2) + "\n", out / "provenance.json")
    published = tomllib.loads((_HERE / "published.toml").read_text(encoding="utf-8"))
    figures = figure_files(results.full, results.short, published)
    for name, (_, data) in figures.items():
        (out / "figures" / name).write_bytes(data)
    write_text(page(results, figures, published), out / "study.html")
    click.echo(f"study: {out / 'study.html'}")


@dataclass(frozen=True)
class Gathered:
    """The runs of the study; `real` is missing without CamVid."""

    full: Results
    short: Results
    depth: Results
    real: Results | None

    @property
    def all(self) -> list[Results]:
        """Those that there are."""
        return [one for one in (self.full, self.short, self.depth, self.real) if one is not None]


def gather(options: Options) -> Gathered:
    """Trains and evaluates what is missing."""
    full, short = (experiment.results(options, street_data()) for experiment in (FULL_LENGTH, OVER_LAMBDA))
    root = options.camvid
    real = None if root is None else REAL_DATA.results(options, [DataSpec("camvid", root, "val")], root)
    return Gathered(full, short, depth_results(options), real)


def page(results: Gathered, figures: dict[str, tuple[str, bytes]], published: dict[str, Any]) -> str:
    """study.html."""
    trainings = [*FULL_LENGTH.trainings, *OVER_LAMBDA.trainings, *(REAL_DATA.trainings if results.real else ())]
    template = environment(_HERE).get_template("study.html.j2")
    found = judged(results.full, results.short)
    return template.render(
        title="Klingner 2020: does depth learnt from video make segmentation robust?",
        judged=found,
        paragraph=paragraph(results.full, results.short, results.real, found),
        figures=[{"name": name, "caption": caption, "png": data} for name, (caption, data) in figures.items()],
        tables=[table_2(results.full, results.short, published), *tables_q(results.full, published)],
        camvid=None if results.real is None else camvid_table(results.real),
        depth=depth_table(results.depth),
        trained=Table("What was trained", "model", ("steps", "seed", "command"), tuple(training_lines(trainings))),
        made=max(str(one.run.info.get("created", "")) for one in results.all),
        images=max(row.n_images for row in results.full.rows.values()),
    )


if __name__ == "__main__":
    main()
