"""The study of UniNet 2021: `python -m robustbench_seg.studies.uninet2021`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from robustbench_seg.evaluation.config import EvaluationConfig, resolve_device
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import make_folder, run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, ModelSpec
from robustbench_seg.models.catalogue.index import folders
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.report.cells import Line, Table, text_cells
from robustbench_seg.report.names import task_name
from robustbench_seg.report.relationships.study import Study, study
from robustbench_seg.report.relationships.write import write_relationships
from robustbench_seg.report.rendering import environment
from robustbench_seg.results.files import write_table, write_text
from robustbench_seg.results.merge import merge, model_names
from robustbench_seg.results.run import Run
from robustbench_seg.studies.uninet2021.findings import judged
from robustbench_seg.studies.uninet2021.models import Measured, measure, models_table, table_1, table_2

ATTACKED = ("street-uninet", "street-mtinet-pp")
"""The five-task models; the paper repeats its attacks on MTI-Net++."""
PROTOCOL = "uninet2021"
_HERE = Path(__file__).parent
PUBLISHED = _HERE / "published.toml"


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("reports/uninet2021"), show_default=True)
@click.option("--limit", type=click.IntRange(min=1), help="Only the first N images.")
@click.option("--device", default="auto", show_default=True)
@click.option("--workers", type=int, default=0, help="0: one a core.")
@click.option("--pictures/--no-pictures", default=True, help="Leave pictures out of the pages.")
def main(out: Path, limit: int | None, device: str, workers: int, pictures: bool) -> None:
    """Attack the five-task models as the paper does; write a run a model, their relationships and the study into OUT.

    Given again it resumes, and rebuilds the pages.
    """
    make_folder(out)
    published = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))
    runs = [_attacked(name, out / name, limit, device, workers) for name in ATTACKED if name in folders()]
    write_relationships([Run(run.folder, pictures) for run in runs], out)
    named = [name for rows in (published["ours1"], published["ours2"]) for names in rows.values() for name in names]
    found = measure(list(dict.fromkeys([*named, *ATTACKED])), resolve_device(device))
    write_table(models_table(found), out / "models.csv")
    write_text(page(runs, out, found, published), out / "study.html")
    click.echo(f"study: {out / 'study.html'}")


def _attacked(name: str, folder: Path, limit: int | None, device: str, workers: int) -> Run:
    request = EvaluationConfig(
        models=[ModelSpec(name)],
        datasets=[DataSpec.parse("street")],
        protocol=PROTOCOLS.get(PROTOCOL),
        limit=limit,
        device=device,
        workers=workers,
        given={"study": "uninet2021", "limit": limit},
    )
    return run_evaluation(
        PreparedEvaluation(request, folder),
        folder,
        lambda done: click.echo(f"{name}: {done.done} of {done.total} units"),
    )


def page(runs: Sequence[Run], out: Path, found: Mapping[str, Measured], published: Mapping[str, Any]) -> str:
    """The study as HTML."""
    merged = merge(runs, out)
    related = study(runs, merged, model_names(runs), None)
    return (
        environment(_HERE)
        .get_template("study.html.j2")
        .render(
            title="UniNet 2021: five tasks, and what attacking one does to the others",
            judged=judged(related),
            tables=[
                table_1(published["table1"], published["ours1"], found),
                table_2(published["table2"], published["ours2"], found),
                *_tables_3(related, published["table3"]),
            ],
            made=max(str(run.info.get("created", "")) for run in runs),
            device=next(iter(found.values())).cost.device if found else "",
            images=max((row.n_images for row in related.effects), default=0),
            sizes=_sizes(found),
            hide=next(plan.params for plan in PROTOCOLS.get(PROTOCOL).attacks if plan.name == "hide"),
        )
    )


def _sizes(found: Mapping[str, Measured]) -> str:
    """The smallest and the largest network in millions of parameters."""
    counts = [one.cost.parameters / 1e6 for one in found.values()] or [0.0]
    return f"{min(counts):.2f} to {max(counts):.2f}"


def _tables_3(related: Study, published: Mapping[str, Sequence[float]]) -> list[Table]:
    """Table 3 of every model: the ratios of the hidden class, ours and the paper's."""
    found = []
    for hiding in related.shown_hidings:
        lines = []
        for task in hiding.tasks:
            cells = []
            for target, number in zip(("semantic", "depth"), published.get(task, ("", "")), strict=True):
                row = hiding.cells.get((target, task))
                ours = "–" if row is None or row.ratio is None else f"{row.ratio:.2f} [{row.low:.2f}, {row.high:.2f}]"
                cells += [ours, f"{number:.2f}" if number != "" else "–"]
            lines.append(Line(task_name(task), "", text_cells(*cells)))
        heads = ("ours", "paper", "ours", "paper")
        spans = (("hidden in segmentation", 2), ("hidden in depth", 2))
        caption = f"Table 3: share left of {hiding.label}, {hiding.setting.model}, {hiding.setting.at(hiding.epsilon)}"
        found.append(Table(caption, "measured", heads, tuple(lines), spans))
    return found


if __name__ == "__main__":
    main()
