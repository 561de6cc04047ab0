"""`robustseg plot`."""

from __future__ import annotations

from pathlib import Path

import click

from robustbench_seg.cli.options import load_plugins, plugin_option


@click.command("plot")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-o", "--out", type=click.Path(path_type=Path), default=Path("comparison"), show_default=True)
@click.option(
    "--group",
    "groups",
    multiple=True,
    metavar="NAME=MODEL,MODEL,...",
    help="Trainings of one recipe with other seeds, compared by their mean; the first group is the one compared with.",
)
@click.option("--tasks", default="", metavar="TASK,TASK", help="Tasks that Δ is over (default: all in common).")
@plugin_option
def plot_command(
    runs: tuple[Path, ...], out: Path, groups: tuple[str, ...], tasks: str, plugins: tuple[str, ...]
) -> None:
    """Compare the models of one or several RUNs: Q curves side by side, paired differences, Δ, a page and tables."""
    from robustbench_seg.evaluation.run import make_folder
    from robustbench_seg.report.write import write_comparison
    from robustbench_seg.results.run import Run

    load_plugins(plugins, runs)
    asked = [task.strip() for task in tasks.split(",")] if tasks else []
    make_folder(out)
    click.echo(f"comparison: {write_comparison([Run(folder) for folder in runs], out, groups, asked)}")
