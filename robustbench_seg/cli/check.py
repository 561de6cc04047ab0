"""`robustseg check`."""

from __future__ import annotations

from typing import Any

import click

from robustbench_seg.cli.evaluate import own_options
from robustbench_seg.cli.options import load_plugins, plugin_option


@click.command("check")
@click.argument("model")
@click.option("--size", default="96x192", show_default=True, metavar="HxW", help="Image size that the cost is of.")
@click.option("--device", default="auto", show_default=True)
@own_options
@plugin_option
def check_command(model: str, size: str, device: str, plugins: tuple[str, ...], **own: Any) -> None:
    """Load MODEL, run it forward and backward on a small image, and say what it gives and costs."""
    load_plugins(plugins)
    from robustbench_seg.cli.evaluate import model_specs
    from robustbench_seg.errors import UsageError
    from robustbench_seg.evaluation.check import check_model
    from robustbench_seg.evaluation.config import resolve_device

    height, cross, width = size.partition("x")
    if not (cross and height.isdigit() and width.isdigit() and int(height) and int(width)):
        raise UsageError(f"--size {size!r}: give HxW in pixels, as in 96x192")
    (spec,) = model_specs([model], own)
    for line in check_model(spec.load(), (int(height), int(width)), resolve_device(device)):
        click.echo(line)
