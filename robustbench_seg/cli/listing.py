"""`robustseg list` and `robustseg show`."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from robustbench_seg.cli.options import load_plugins, plugin_option

if TYPE_CHECKING:
    from robustbench_seg.registry import Entry

_SOURCES = {
    "models": "robustbench_seg.models.registry:SOURCES",
    "attacks": "robustbench_seg.attacks.sources.registry:ATTACK_SOURCES",
}
"""What has more of a kind than can be listed, as `SOURCE:NAME`."""
_KINDS = ("models", "networks", "pose_networks", "attacks", "objectives", "datasets", "protocols", "tasks")


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("--json", "as_json", is_flag=True, help="A list of objects with name and origin.")
@plugin_option
def list_command(kind: str, as_json: bool, plugins: tuple[str, ...]) -> None:
    """List what is there, each with its origin."""
    from robustbench_seg.registries import REGISTRIES
    from robustbench_seg.registry import lazy

    load_plugins(plugins)
    entries = REGISTRIES[kind].entries()
    if as_json:
        rows = [{"name": e.name, "origin": e.origin, "summary": e.summary} for e in entries]
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "origin", "summary", box=None, header_style="bold")
    for entry in entries:
        table.add_row(entry.name, entry.origin, entry.summary)
    for source in lazy(_SOURCES[kind])().entries() if kind in _SOURCES else ():
        table.add_row(f"{source.name}:…", source.origin, source.summary)
    Console().print(table)


@click.command("show")
@click.argument("kind", type=click.Choice([kind.removesuffix("s") for kind in _KINDS]))
@click.argument("name")
@plugin_option
def show_command(kind: str, name: str, plugins: tuple[str, ...]) -> None:
    """Show one model card, (pose) network or attack with its parameters, objective, data set, protocol or task."""
    from robustbench_seg.evaluation.spec import ModelSpec
    from robustbench_seg.registries import REGISTRIES

    load_plugins(plugins)
    if kind == "model" and (folder := ModelSpec.parse(name).folder):
        click.echo(_read_card(Path(folder)))
        return
    entry = REGISTRIES[f"{kind}s"].entry(name)
    click.echo(f"{entry.name} ({entry.origin}): {entry.summary}")
    for line in _SHOW[kind](entry):
        click.echo(line)


def _show_model(entry: Entry) -> list[str]:
    from robustbench_seg._shipped import shipped

    folder = shipped("models") / entry.name
    return [_read_card(folder)] if folder.is_dir() else []


def _read_card(folder: Path) -> str:
    """Return the text of a folder's card; InputError where there is none."""
    from robustbench_seg.strict import read_toml

    card = folder / "card.toml"
    read_toml(card)
    return card.read_text(encoding="utf-8")


def _show_attack(entry: Entry) -> list[str]:
    attack: Any = entry.load()
    return [*_show_documented(entry), f"norms: {', '.join(attack.norms)}", *_parameters(attack)]


def _parameters(cls: type) -> list[str]:
    from robustbench_seg.parameters import parameters_of

    return [f"{name} = {field.default!r}" for name, field in parameters_of(cls).items()]


def _show_network(entry: Entry) -> list[str]:
    network: Any = entry.load()
    return [*_show_documented(entry), *(f"{key} = {value!r}" for key, value in vars(network()).items())]


def _show_documented(entry: Entry) -> list[str]:
    """Return the docstring without what was said already: a plugin's summary is its first line."""
    text = inspect.cleandoc(getattr(entry.load(), "__doc__", "") or "")
    return list(filter(None, [text.removeprefix(entry.summary).strip()]))


def _show_protocol(entry: Entry) -> list[str]:
    from robustbench_seg.protocol_options import caveats

    protocol: Any = entry.load()
    lines = [f"source: {protocol.source}"] if protocol.source else []
    lines += [f"{name}.{key} = {value}" for name, given in protocol.tasks.items() for key, value in given.items()]
    for plan in protocol.attacks:
        grid = ", ".join(f"{epsilon:g}" for epsilon in plan.epsilons) or "unbounded"
        objectives = ", ".join(plan.objectives) if plan.objectives else "its default objectives"
        params = "".join(f" {key}={value}" for key, value in plan.params.items())
        lines.append(f"{plan.label}: epsilon {grid} ({plan.norm or 'default norm'}); {objectives}{params}")
    return [*lines, *(f"note: {caveat}" for caveat in caveats(protocol))]


def _show_task(entry: Entry) -> list[str]:
    task: Any = entry.load()
    arrows = {True: "higher is better", False: "lower is better", None: "neither is better"}
    metrics = (f"{m.name} [{m.unit or '1'}]: {arrows[m.higher_is_better]}, {m.pooling}" for m in task.metrics)
    group = [f"group: {task.group}"] if task.group else []
    return [*_show_documented(entry), *group, *metrics, *_parameters(task)]


_SHOW = {
    "model": _show_model,
    "network": _show_network,
    "pose_network": _show_network,
    "attack": _show_attack,
    "objective": _show_documented,
    "dataset": _show_documented,
    "protocol": _show_protocol,
    "task": _show_task,
}
