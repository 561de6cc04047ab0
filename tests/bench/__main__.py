"""`python -m tests.bench [NAME ...]`: measure, and publish a record and the table."""

from __future__ import annotations

from pathlib import Path

import click
import torch

from robustbench_seg.cli.options import parse_setting
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.config import resolve_device
from robustbench_seg.registry import unknown
from robustbench_seg.results.files import write_text
from tests.bench.benchmark import Benchmark
from tests.bench.environment import environment
from tests.bench.record import SCHEMA, Entry, Record, read_record, write_record
from tests.bench.suite import BENCHMARKS, GROUPS, varied
from tests.bench.table import table
from tests.bench.toys import TOYS


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("reports/benchmarks"), show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), help="Instead of each benchmark's own.")
@click.option("--repeats", type=click.IntRange(1), help="Instead of each benchmark's own.")
@click.option("--set", "settings", multiple=True, metavar="NAME.FIELD=VALUE", help="Another size, as in grid.images=8.")
@click.option("--toy", is_flag=True, help="Everything at a size of seconds, on any device; its numbers mean nothing.")
def main(
    names: tuple[str, ...], out: Path, device: str | None, repeats: int | None, settings: tuple[str, ...], toy: bool
) -> None:
    """Run benchmarks NAME (all without one; gpu: all of a GPU) and write OUT/ENVIRONMENT.json and OUT/README.md."""
    known = {**BENCHMARKS, **GROUPS}
    for name in names:
        if name not in known:
            raise click.UsageError(unknown("benchmark", name, known))
    try:
        resolve_device(device or "cpu")
        benchmarks = TOYS if toy else varied([parse_setting(text) for text in settings], repeats)
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    for name in [each for given in names or benchmarks for each in GROUPS.get(given, [given])]:
        click.echo(f"{name}: {benchmarks[name].what}")
        where = device or _own(benchmarks[name])
        for entry in benchmarks[name].entries(where, anywhere=toy):
            publish(entry, where, out)
        click.echo(f"  {entry.seconds:.0f} s")


def _own(benchmark: Benchmark) -> str:
    """The device of a benchmark, where it is here."""
    (device,) = benchmark.devices
    return device if device == "cpu" or torch.cuda.is_available() else "cpu"


def publish(entry: Entry, device: str, out: Path) -> None:
    """Put one entry into the record of its device and make the table again, so that a long run loses nothing."""
    path = out / environment(device).file_name
    entries = read_record(path).entries if path.exists() else ()
    write_record(Record(SCHEMA, environment(device), entries).with_entry(entry, list(BENCHMARKS)), path)
    write_text(table(path.parent), path.parent / "README.md")
    if entry.reason:
        click.echo(f"  not measured: {entry.reason}")
    for one in entry.figures[-1:]:
        click.echo(f"  {one.name}: {one.value:.4g} ({', '.join(f'{k} {v:.4g}' for k, v in one.medians.items())})")


if __name__ == "__main__":
    main()
