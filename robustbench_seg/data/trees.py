"""What the loaders of official folders share: splits, where an archive was unpacked, and what is missing there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from robustbench_seg.data.files import entries, files_ending
from robustbench_seg.data.images import bad_file
from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown


def check_split(title: str, split: str, splits: Iterable[str], withheld: str | None = None) -> None:
    """Raises UsageError where a data set of that title has no such split, or the labels of it are `withheld`."""
    if split == withheld:
        raise UsageError(f"{title}: the labels of the split {split} are withheld; use val")
    if split not in splits:
        raise UsageError(unknown("split", split, splits))


def unpacked(root: str | Path, name: str) -> Path:
    """The folder `name` in the root, as an archive unpacks there, where there is one; else the root itself."""
    folder = Path(root).expanduser()
    inner = folder / name
    return inner if inner.is_dir() else folder


def files_of(folder: Path, ending: str, archive: str) -> dict[str, Path]:
    """The files of a folder whose names end in `ending`, by name without it.

    InputError naming the archive to unpack where there is no such folder or none of them in it.
    """
    return _found(folder, files_ending([folder] if folder.is_dir() else [], ending), f"*{ending}", archive)


def files_within(folder: Path, inner: str, ending: str, archive: str) -> dict[str, Path]:
    """The same of the folders in a folder, of which there is one for each `inner`, such as a city."""
    folders = [entry for entry in entries(folder) if entry.is_dir()] if folder.is_dir() else []
    return _found(folder, files_ending(folders, ending), f"{inner}/*{ending}", archive)


def numbered(folder: Path, archive: str, prefix: str = "", suffix: str = ".png") -> dict[str, Path]:
    """The files of a folder that are named by a number between `prefix` and `suffix`, by its digits.

    Others are ignored. InputError as in `files_of`, or where there are only others.
    """
    files = files_of(folder, suffix, archive)
    found = {name.removeprefix(prefix): path for name, path in files.items() if name.startswith(prefix)}
    frames = {digits: path for digits, path in found.items() if digits.isdecimal()}
    if not frames:
        raise bad_file(folder, f"holds no {prefix}<number>{suffix}", f"unpack {archive}")
    return frames


def _found(folder: Path, files: dict[str, Path], pattern: str, archive: str) -> dict[str, Path]:
    if not files:
        there = "is no folder" if folder.exists() or folder.is_symlink() else "is missing"
        raise bad_file(folder, f"holds no {pattern}" if folder.is_dir() else there, f"unpack {archive}")
    return files
