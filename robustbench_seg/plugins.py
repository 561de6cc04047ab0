"""What a run needs beyond this package: plugin files and packages, remembered in run.json and asked for later."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from robustbench_seg.attacks.objectives.parse import kind_of
from robustbench_seg.errors import InputError
from robustbench_seg.registries import REGISTRIES
from robustbench_seg.results.manifest import RunManifest
from robustbench_seg.tasks.names import kind_of as task_kind

_OWN = ("built-in", "catalogue", "shipped")
"""Origins of what comes with this package."""


READ = ("tasks", "attacks", "objectives")
"""Kinds of what the tables and pages of a run need; models, networks and data sets are needed to measure more."""


def needed(
    manifest: RunManifest, plugins: Sequence[str], measured: Mapping[str, Iterable[str]]
) -> list[dict[str, str]]:
    """What plugins brought of all that a run needs, each with its origin.

    `plugins` are the files given, `measured` the names of models, networks and data sets; `file` is the absolute path
    of the file that registered it, empty for a package.
    """
    configurations = [configuration for pair in manifest.pairs for configuration in pair.configurations[1:]]
    objectives = {configuration.objective for configuration in configurations} - {""}
    names: dict[str, Iterable[str]] = {
        "tasks": {task_kind(task) for pair in manifest.pairs for task in pair.tasks},
        "attacks": {configuration.attack for configuration in configurations},
        "objectives": {kind_of(objective) for objective in objectives},
        **measured,
    }
    files = {f"plugin {Path(plugin).name}": str(Path(plugin).resolve()) for plugin in plugins}
    entries = [(kind, REGISTRIES[kind].entry(name)) for kind, used in names.items() for name in sorted(used)]
    return [
        {
            "kind": kind,
            "name": entry.name,
            "origin": entry.origin,
            "file": files.get(entry.origin, _file_alone(entry.origin)),
        }
        for kind, entry in entries
        if entry.origin not in _OWN
    ]


def _file_alone(origin: str) -> str:
    """The name of a plugin file that another one loaded; empty for what is no file."""
    return origin.removeprefix("plugin ") if origin.startswith("plugin ") else ""


def refuse_missing(folder: Path, info: Mapping[str, Any], kinds: Container[str] = READ) -> None:
    """InputError naming every plugin that the run of `folder` (run.json: `info`) needs and that is not here.

    Nothing is missing where all of `kinds` is here.
    """
    missing: dict[str, list[str]] = {}
    for need in info.get("plugins", ()):
        registry = REGISTRIES[need["kind"]]
        if need["kind"] in kinds and need["name"] not in registry:
            missing.setdefault(_given(need), []).append(f"{registry.kind} '{need['name']}'")
    if missing:
        listed = " ".join(f"{plugin} ({', '.join(names)})" for plugin, names in missing.items())
        raise InputError(f"run '{folder}' needs {listed}")


def _given(need: Mapping[str, str]) -> str:
    """How a plugin is given: a file by its option, else the package that has to be installed."""
    if need["origin"] == "python":
        return "--plugin with the Python file that registers it"
    return f"--plugin {need['file']}" if need["file"] else f"'{need['origin']}' installed"
