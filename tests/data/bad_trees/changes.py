"""What can be done to a sound tree so that it is bad."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.data.miniatures import file

Change = Callable[[Path], object]
Table = Mapping[str, tuple[object, ...]]
"""By what is wrong with a tree: the change, then the parts of the line that says so."""


def all_of(*changes: Change) -> Change:
    return lambda root: [change(root) for change in changes]


def without(*names: str) -> Change:
    """Files or folders are missing."""

    def change(root: Path) -> None:
        for name in names:
            shutil.rmtree(root / name) if (root / name).is_dir() else (root / name).unlink()

    return change


def instead(name: str, make: Change) -> Change:
    """Something else is where a file or folder is."""
    return all_of(without(name), lambda root: make(root / name))


def emptied(name: str) -> Change:
    return instead(name, Path.mkdir)


def a_folder(name: str) -> Change:
    """A folder in place of a file."""
    return instead(name, Path.mkdir)


def a_file(name: str) -> Change:
    """A file in place of a folder."""
    return instead(name, lambda path: path.write_text("in the way"))


def linked(name: str, target: str) -> Change:
    """A link in place of a file or folder."""
    return instead(name, lambda path: path.symlink_to(target))


def renamed(name: str, other: str) -> Change:
    def change(root: Path) -> None:
        (root / other).parent.mkdir(parents=True, exist_ok=True)
        (root / name).rename(root / other)

    return change


def written(name: str, content: object) -> Change:
    """A file of bytes, of text, or of JSON."""
    return lambda root: file(root / name, content)


def of(save: Callable[..., None], name: str, *values: object) -> Change:
    """A file is saved by a function of its path and values."""
    return lambda root: save(root / name, *values)


def locked(name: str) -> Change:
    """Nobody but root may read it."""
    return lambda root: (root / name).chmod(0)
