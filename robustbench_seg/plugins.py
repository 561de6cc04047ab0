"""What a run needs beyond this package: plugin files and packages, remembered in run.json and asked for later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from robustbench_seg.attacks.objectives.parse import kind_of
from robustbench_seg.errors import InputError
from robustbench_seg.registries import REGISTRIES
from robustbench_seg.results.manifest import RunManifest

_OWN = ("built-in", "catalogue", "shipped")
"""Origins of what comes with this package."""


def needed(manifest: RunManifest, plugins: Sequence[str]) -> list[dict[str, str]]:
    """The tasks, attacks and objectives of a run that plugins brought, each with its origin.

    `plugins` are the files given; `file` is the one that registered it, empty for a package.
    """
    configurations = [configuration for pair in manifest.pairs for configuration in pair.configurations[1:]]
    objectives = {configuration.objective for configuration in configurations} - {""}
    names: dict[str, Iterable[str]] = {
        "tasks": {task for pair in manifest.pairs for task in pair.tasks},
        "attacks": {configuration.attack for configuration in configurations},
        "objectives": {kind_of(objective) for objective in objectives},
    }
    files = {f"plugin {Path(plugin).name}": plugin for plugin in plugins}
    entries = [(kind, REGISTRIES[kind].entry(name)) for kind, used in names.items() for name in sorted(used)]
    return [
        {"kind": kind, "name": entry.name, "origin": entry.origin, "file": files.get(entry.origin, "")}
        for kind, entry in entries
        if entry.origin not in _OWN
    ]


def refuse_missing(folder: Path, info: Mapping[str, Any]) -> None:
    """InputError naming the plugin where something that the run of `folder` (run.json: `info`) needs is not here."""
    for need in info.get("plugins", ()):
        registry = REGISTRIES[need["kind"]]
        if need["name"] not in registry:
            what = f"--plugin {need['file']}" if need["file"] else f"'{need['origin']}'"
            raise InputError(f"run '{folder}' needs {what} ({registry.kind} '{need['name']}')")
