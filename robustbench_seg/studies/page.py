"""The page of a study, the files beside it, and the options of its command."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

import click

from robustbench_seg.evaluation.run import make_folder
from robustbench_seg.report.rendering import environment
from robustbench_seg.report.section import Section, lightened
from robustbench_seg.report.write import write_page as save_page
from robustbench_seg.results.files import write_table, write_text
from robustbench_seg.results.merge import merge
from robustbench_seg.results.rows import CLASSES, COSTS, SUMMARY, table
from robustbench_seg.results.run import Run

_Command = TypeVar("_Command", bound=Callable[..., Any])


def study_options(name: str) -> Callable[[_Command], _Command]:
    """The options every study has: out, limit, device and workers."""
    out = Path("reports") / name
    options = (
        click.option("-o", "--out", type=click.Path(path_type=Path), default=out, show_default=True),
        click.option("--limit", type=click.IntRange(min=1), help="Only the first N images."),
        click.option("--device", default="auto", show_default=True),
        click.option("--workers", type=int, default=0, help="0: one per core."),
    )

    return lambda command: reduce(lambda made, option: option(made), reversed(options), command)


def read_paper(module: str) -> Mapping[str, Any]:
    """The TOML file beside a study's module: the paper's numbers, and under `page` the words of the page."""
    return tomllib.loads(Path(module).with_suffix(".toml").read_text(encoding="utf-8"))


def write_page(
    out: Path,
    name: str,
    words: Mapping[str, Any],
    sections: Sequence[Section],
    runs: Sequence[Run],
    options: Sequence[str] = (),
) -> Path:
    """Write study.html and its figures into `out`; the path of the page.

    `words` are the page's: `title`, and `differs`, a list of what differs from the paper or, under `limits`, of others.
    `options` are those of the study's command that made it.
    """
    make_folder(out)
    page = (
        environment(Path(__file__).parent)
        .get_template("study.html.j2")
        .render(
            words=words,
            sections=lightened(sections),
            command=" ".join([f"python -m robustbench_seg.studies.{name}", *options]),
            made=max(str(run.info.get("created", "")) for run in runs),
            linked=(out / "relationships.html").is_file(),
        )
    )
    figures = [figure for section in sections for part in section.parts for figure in part.figures]
    return save_page(page, figures, out / "study.html")


def write_run(out: Path, name: str, runs: Sequence[Run]) -> None:
    """Write the tables of a study's runs as one, and run.json with that of each, so that the folder is a run itself."""
    make_folder(out)
    write_table(table([row for run in runs for row in run.rows], SUMMARY), out / "summary.csv")
    write_table(table([row for run in runs for row in run.class_rows], CLASSES), out / "classes.csv")
    write_table(table([row for run in runs for row in run.cost_rows], COSTS), out / "costs.csv")
    info = {"study": name, **merge(runs, out).info}
    write_text(json.dumps(info, indent=2) + "\n", out / "run.json")
