"""`robustseg check`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import click

from robustbench_seg.cli.evaluate import DEFAULT_DATASET, own_options
from robustbench_seg.cli.exit_codes import exit_code
from robustbench_seg.cli.options import load_plugins, plugin_option

PROTOCOL = "check"


@click.command("check")
@click.argument("model")
@click.option("-d", "--dataset", default=DEFAULT_DATASET, show_default=True, metavar="NAME[:ROOT]")
@click.option("--split", help="Split of the data set (default val).")
@click.option("--limit", type=click.IntRange(1), default=8, show_default=True, metavar="N", help="Images to look at.")
@click.option("--device", default="auto", show_default=True)
@own_options
@plugin_option
def check_command(
    model: str,
    dataset: str,
    split: str | None,
    limit: int,
    device: str,
    plugins: tuple[str, ...],
    **own: Any,
) -> None:
    """Load MODEL, say what it gives and costs, and run every check on a few images of a data set.

    The exit code is 4 where its numbers should not be believed.
    """
    load_plugins(plugins)
    from robustbench_seg.cli.evaluate import model_specs
    from robustbench_seg.cli.progress import progress_reporter
    from robustbench_seg.evaluation.batch import first_sample
    from robustbench_seg.evaluation.check import check_model
    from robustbench_seg.evaluation.config import EvaluationConfig, resolve_device
    from robustbench_seg.evaluation.prepare import PreparedEvaluation
    from robustbench_seg.evaluation.run import run_evaluation
    from robustbench_seg.evaluation.spec import DataSpec
    from robustbench_seg.protocol import PROTOCOLS
    from robustbench_seg.report.text import finding_line

    config = EvaluationConfig(
        models=model_specs([model], own),
        datasets=[DataSpec.parse(dataset, split)],
        protocol=PROTOCOLS.get(PROTOCOL),
        limit=limit,
        device=resolve_device(device),
        workers=1,
        plugins=plugins,
    )
    with tempfile.TemporaryDirectory(prefix="robustseg-") as folder:
        prepared = PreparedEvaluation(config, Path(folder))
        _, sample = first_sample(prepared.datasets[0])
        height, width = sample.image.shape[:2]
        for line in check_model(prepared.models[0], (height, width), config.device):
            click.echo(line)
        with progress_reporter(False) as report_progress:
            run = run_evaluation(prepared, Path(folder), report_progress)
    for finding in run.findings:
        click.echo(finding_line(finding))
    click.get_current_context().exit(exit_code(run.rows))
