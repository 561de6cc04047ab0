"""`robustseg data`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from robustbench_seg.cli.options import load_plugins, plugin_option
from robustbench_seg.errors import InputError, UsageError

if TYPE_CHECKING:
    from robustbench_seg.data.survey import DataSurvey
    from robustbench_seg.evaluation.spec import DataSpec


@click.group("data")
def data_command() -> None:
    """Look at data before a model sees them."""


@data_command.command("check", short_help="Say what is there and what may be wrong with it.")
@click.argument("data", metavar="ROOT|DATASET[:ROOT]")
@click.option("--split", help="Split of the data set (default val).")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the first N images.")
@click.option("-o", "--out", type=click.Path(path_type=Path), metavar="FILE.png", help="Draw a contact sheet there.")
@click.option("--json", "as_json", is_flag=True, help="Everything that was found, for machines.")
@plugin_option
def check_command(
    data: str, split: str | None, limit: int | None, out: Path | None, as_json: bool, plugins: tuple[str, ...]
) -> None:
    """Read every image and label, and say what is there and what may be wrong with it.

    ROOT is a folder with a dataset.toml (see `robustseg show dataset folder`). The exit code is 3 where a file cannot
    be read.
    """
    load_plugins(plugins)
    from robustbench_seg.checks.base import counted
    from robustbench_seg.cli.progress import data_progress
    from robustbench_seg.data.survey import survey

    if out is not None and out.suffix != ".png":
        raise UsageError(f"-o {out}: a contact sheet is a PNG; write -o sheet.png")
    dataset = _spec(data, split).load()
    with data_progress(as_json) as report:
        found = survey(dataset, limit, report)
    if out is not None:
        _draw(found, out)
    if as_json:
        click.echo(json.dumps(found.facts(), indent=2))
    else:
        _show(found)
    if found.unreadable:
        reason = next(iter(found.unreadable.values()))
        others = counted(len(found.unreadable) - 1, "other image")
        raise InputError(reason + (f" (nor can {others} be read)" if others else ""))


def _spec(text: str, split: str | None) -> DataSpec:
    """A path is a folder of your own, and so is a folder that is there unless it has a data set's name."""
    from robustbench_seg.data.registry import DATASETS
    from robustbench_seg.evaluation.spec import DataSpec

    if text and text.partition(":")[0] not in DATASETS and ("/" in text or Path(text).is_dir()):
        return DataSpec("folder", text, split)
    return DataSpec.parse(text, split)


def _draw(found: DataSurvey, out: Path) -> None:
    from robustbench_seg.report.contact import contact_sheet
    from robustbench_seg.results.files import write_bytes

    sheet = contact_sheet(found)
    if sheet is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(sheet, out)


def _show(found: DataSurvey) -> None:
    from rich.console import Console

    from robustbench_seg.report.surveytext import survey_blocks

    console = Console(highlight=False)
    for block in survey_blocks(found):
        console.print(block, soft_wrap=True)
