"""`python -m tests.bench [NAME ...]`: measure, and publish a record and the table."""

from __future__ import annotations

from pathlib import Path

import click

from robustbench_seg.cli.options import parse_setting
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.config import resolve_device
from robustbench_seg.registry import unknown
from robustbench_seg.results.files import write_text
from tests.bench.environment import environment
from tests.bench.record import SCHEMA, Entry, Record, read_record, write_record
from tests.bench.suite import BENCHMARKS, varied
from tests.bench.table import table


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("reports/benchmarks"), show_default=True)
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", show_default=True)
@click.option("--repeats", type=click.IntRange(1), help="Instead of each benchmark's own.")
@click.option("--set", "settings", multiple=True, metavar="NAME.FIELD=VALUE", help="Another size, as in grid.images=8.")
def main(names: tuple[str, ...], out: Path, device: str, repeats: int | None, settings: tuple[str, ...]) -> None:
    """Run benchmarks NAME (all without one) and write OUT/ENVIRONMENT.json and OUT/README.md."""
    for name in names:
        if name not in BENCHMARKS:
            raise click.UsageError(unknown("benchmark", name, BENCHMARKS))
    try:
        resolve_device(device)
        benchmarks = varied([parse_setting(text) for text in settings], repeats)
    except UsageError as error:
        raise click.UsageError(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    path = out / environment(device).file_name
    for name in names or benchmarks:
        click.echo(f"{name}: {benchmarks[name].what}")
        publish(benchmarks[name].entry(device), device, path)


def publish(entry: Entry, device: str, path: Path) -> None:
    """Put one entry into the record and make the table again, so that a long run loses nothing."""
    entries = read_record(path).entries if path.exists() else ()
    write_record(Record(SCHEMA, environment(device), entries).with_entry(entry, list(BENCHMARKS)), path)
    write_text(table(path.parent), path.parent / "README.md")
    click.echo(f"  not measured: {entry.reason}" if entry.reason else f"  {entry.seconds:.0f} s")
    for one in entry.figures:
        click.echo(f"  {one.name}: {one.value:.4g} ({', '.join(f'{k} {v:.4g}' for k, v in one.medians.items())})")


if __name__ == "__main__":
    main()
