"""`robustseg check`."""

from __future__ import annotations

from typing import Any

import click

from robustbench_seg.cli.evaluate import own_options
from robustbench_seg.cli.options import load_plugins, plugin_option


@click.command("check")
@click.argument("model")
@own_options
@plugin_option
def check_command(model: str, plugins: tuple[str, ...], **own: Any) -> None:
    """Load MODEL, run it forward and backward on a small image, and say what it gives."""
    load_plugins(plugins)
    from robustbench_seg.cli.evaluate import model_specs
    from robustbench_seg.harness.check import check_model

    (spec,) = model_specs([model], own)
    for line in check_model(spec.load()):
        click.echo(line)
