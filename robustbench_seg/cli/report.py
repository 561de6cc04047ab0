"""`robustseg report`."""

from __future__ import annotations

from pathlib import Path

import click

from robustbench_seg.cli.options import load_plugins, plugin_option


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--pictures/--no-pictures", default=True, help="Leave pictures out where the data may not be passed on.")
@plugin_option
def report_command(runs: tuple[Path, ...], pictures: bool, plugins: tuple[str, ...]) -> None:
    """Rebuild the tables, figures and page of each RUN from its store; no model is loaded."""
    from robustbench_seg.checks.judge import rebuild
    from robustbench_seg.report.write import write_report
    from robustbench_seg.results.run import refuse_study

    for folder in runs:
        refuse_study(folder)
    load_plugins(plugins, runs)
    for folder in runs:
        click.echo(f"report: {write_report(rebuild(folder, pictures))}")
