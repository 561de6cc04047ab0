"""Parsers of option values that several commands share."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.protocol import Epsilon
from robustbench_seg.strict import convert

plugin_option = click.option(
    "--plugin",
    "plugins",
    multiple=True,
    metavar="FILE",
    help="Python file that registers attacks, objectives, tasks, (pose) networks, models or data sets.",
)


def load_plugins(plugins: Sequence[str], runs: Sequence[Path] = ()) -> None:
    """Run every plugin file; InputError where one of the `runs` needs another."""
    from robustbench_seg.registry import load_plugin

    for plugin in plugins:
        load_plugin(plugin)
    if runs:
        from robustbench_seg.plugins import refuse_missing
        from robustbench_seg.results.run import Run

        for folder in runs:
            refuse_missing(folder, Run(folder).info)


def parse_epsilons(text: str) -> tuple[float, ...]:
    """`.25,1,4` as epsilons in units of 1/255; UsageError naming the value."""
    try:
        return tuple(convert(Epsilon, float(part), f"-e {text}") for part in text.split(","))
    except ValueError:
        raise UsageError(f"-e {text}: write numbers (in units of 1/255) with commas, as in -e 0.5,1,2") from None
    except InputError as error:
        raise UsageError(f"{error} (in units of 1/255)") from None


def parse_setting(text: str) -> tuple[str, str, Any]:
    """`ATTACK.PARAM=VALUE`, `ATTACK[VARIANT].PARAM=VALUE` or `TASK.PARAM=VALUE`.

    The value is read as TOML where it is (numbers, true, false), else as text.
    """
    from robustbench_seg.protocol_options import SETTING

    parts = re.fullmatch(f"{SETTING}=(?P<value>.*)", text, re.DOTALL)
    if parts is None:
        raise UsageError(f"--set {text}: write ATTACK.PARAM=VALUE, as in --set pgd.steps=10")
    return parts["name"], parts["key"], _value(parts["value"])


def parse_grid(text: str) -> tuple[str, list[Any]]:
    """`KEY=VALUE,VALUE,…` with a dotted key of a recipe; values are read as those of `parse_setting`."""
    key, _, values = text.partition("=")
    if not key or not values or any(not part for part in (*key.split("."), *values.split(","))):
        raise UsageError(f"--grid {text}: write KEY=VALUE,VALUE,… as in --grid tasks.depth=1,10")
    whole = _value(f"[{values}]")
    return key, whole if isinstance(whole, list) else [_value(part) for part in values.split(",")]


def _value(text: str) -> Any:
    """What a text is in TOML (a number, true, a list), else the text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
