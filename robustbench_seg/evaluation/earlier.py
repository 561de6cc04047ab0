"""What a folder holds of an earlier run: what that was, and whether this one continues it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.registry import some
from robustbench_seg.results.manifest import RunManifest
from robustbench_seg.results.store import Store

_SHOWN = 400
"""How many characters of what is another an error shows; two configurations of attacks have fewer."""


def stored_identity(folder: Path | None) -> dict[str, Any] | None:
    """Return what makes the run in the folder what it is; None without one, InputError where its store is damaged."""
    path = None if folder is None else folder / "store.sqlite"
    if path is None or not path.exists():
        return None
    # What a kill leaves of a store that was just being made is empty and has no run beside it.
    if not path.stat().st_size and not path.with_name("run.json").exists():
        return None
    with Store(path, create=False) as store:
        stored = store.read_meta("identity")
        if stored is None and store.done():
            raise InputError(f"store '{path}' is damaged (whose run?); give another folder with -o")
    return stored if isinstance(stored, dict) else None


def stored_meta(folder: Path, key: str) -> dict[str, Any]:
    """Return what the run in the folder keeps under a key; empty where it keeps nothing."""
    with Store(folder / "store.sqlite", create=False) as store:
        stored = store.read_meta(key)
    return stored if isinstance(stored, dict) else {}


def _stored_manifest(folder: Path) -> RunManifest:
    with Store(folder / "store.sqlite", create=False) as store:
        return RunManifest.from_json(store.read_manifest())


def stored_images(folder: Path | None) -> int:
    """Return how many images the run in the folder has, of the data set it has most of; 0 where there is none."""
    if folder is None or stored_identity(folder) is None:
        return 0
    return max(len(ids) for ids in _stored_manifest(folder).ids.values())


def refuse_other(folder: Path, identity: Mapping[str, Any], manifest: RunManifest) -> None:
    """UsageError where the folder holds another run, or more images of this one."""
    stored = stored_identity(folder)
    if stored is not None:
        _refuse_other(folder, stored, identity)
        _refuse_fewer(folder, manifest)


def _refuse_fewer(folder: Path, asked: RunManifest) -> None:
    stored = _stored_manifest(folder)
    for name, groups in stored.groups.items():
        if len(asked.groups[name]) < len(groups):
            raise UsageError(
                f"'{folder}' holds {len(groups)} images of {name}, --limit asks for {len(asked.groups[name])}; "
                "give another folder with -o"
            )


def _refuse_other(folder: Path, stored: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    different = [key for key in {**asked, **stored} if stored.get(key) != asked.get(key)]
    if different:
        parts = [_changed(key, stored.get(key), asked.get(key)) for key in different]
        raise UsageError(f"'{folder}' holds another run ({'; '.join(parts)}); give another folder with -o")


def _changed(key: str, before: object, now: object) -> str:
    """What is another; of lists only the entries that one of the two has."""
    if isinstance(before, list) and isinstance(now, list):
        gone, new = ([each for each in a if each not in b] for a, b in ((before, now), (now, before)))
        if new and not gone:
            return f"{key} now also {_short(new)}"
        if gone and not new:
            return f"{key} now without {_short(gone)}"
        before, now = gone or before, new or now
    return f"{key} was {_short(before)}, now {_short(now)}"


def _short(value: object) -> str:
    if value is None:
        return "not given"
    entries = value if isinstance(value, list) else [value]
    text = some((each if isinstance(each, str) else json.dumps(each, sort_keys=True) for each in entries), shown=2)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
