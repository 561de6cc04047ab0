"""`robustseg relationships`."""

from __future__ import annotations

from pathlib import Path

import click

from robustbench_seg.cli.options import load_plugins, plugin_option


@click.command("relationships")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-e", "--epsilon", type=float, help="The ε shown first, in units of 1/255 [default: 1, hiding 2].")
@click.option("--pictures/--no-pictures", default=True, help="Leave pictures out where the data may not be passed on.")
@plugin_option
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Folder to write to [default: the first RUN].")
def relationships_command(
    runs: tuple[Path, ...], epsilon: float | None, pictures: bool, plugins: tuple[str, ...], out: Path | None
) -> None:
    """What attacking one task does to the others: a page, a table and figures over the models of the RUNs."""
    from robustbench_seg.report.relationships.write import write_relationships
    from robustbench_seg.results.run import Run

    load_plugins(plugins, runs)
    # A published run has no store any more, and with it no pictures.
    opened = [Run(folder, pictures and (folder / "store.sqlite").is_file()) for folder in runs]
    click.echo(f"relationships: {write_relationships(opened, out, epsilon)}")
