"""The splits of a folder of images: subfolders, or text files that list the names of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from robustbench_seg.data.files import entries, same_name
from robustbench_seg.data.images import bad_file, read_text
from robustbench_seg.registry import printable, unknown
from robustbench_seg.strict import fault

DEFAULT = "val"


@dataclass(frozen=True)
class Split:
    """One split: the `folder` that holds its `images`, and the file that lists which (None: all there are)."""

    name: str
    folder: Path
    listed: Path | None = None

    @cached_property
    def ids(self) -> dict[str, None] | None:
        """The ids listed, one a line; None without a list. InputError where it cannot be read or is empty."""
        if self.listed is None:
            return None
        lines = read_text(self.listed, "write it as UTF-8 text, one id a line").removeprefix("\ufeff").splitlines()
        ids = dict.fromkeys(same_name(line.strip()) for line in lines if line.strip())
        if not ids:
            raise bad_file(self.listed, "lists nothing", "write one id a line: the name of an image without extension")
        return ids

    def only(self, paths: Mapping[str, Path]) -> dict[str, Path]:
        """The files by id that belong to the split."""
        return {name: path for name, path in paths.items() if self.ids is None or name in self.ids}

    def images(self, paths: Mapping[str, Path]) -> dict[str, Path]:
        """The images by id that belong to the split; InputError where one that is listed is not there."""
        missing = [name for name in self.ids or () if name not in paths]
        if self.listed and missing:
            others = f" (nor have {len(missing) - 1} others)" if len(missing) > 1 else ""
            fix = "list names without suffix and extension, one a line, or add the image"
            raise bad_file(self.listed, f"lists '{printable(missing[0])}', which has no image{others}", fix)
        return self.only(paths)


def find_splits(root: Path, lists: str | None, parts: frozenset[str]) -> dict[str, Split]:
    """The splits of a root by name: `lists`/SPLIT.txt where a folder of lists is given, else the folders with images.

    `parts` are folders that are no split. InputError where `lists` holds no list.
    """
    if lists is None:
        folders = [entry for entry in entries(root) if entry.name not in parts and (entry / "images").is_dir()]
        return {folder.name: Split(folder.name, folder) for folder in folders}
    found = {path.stem: Split(path.stem, root, path) for path in entries(root / lists) if path.suffix == ".txt"}
    if not found:
        raise bad_file(root / lists, "holds no list of a split", "write one as SPLIT.txt, with one id a line")
    return found


def choose(root: Path, splits: Mapping[str, Split], asked: str | None) -> Split:
    """The split asked for; else `val`, or the only one. Without splits it is the whole root.

    A root may hold images beside the folders of its splits: they are used where no split is asked for. InputError where
    the one asked for is not there, or none is and there are several.
    """
    if not splits or (asked is None and (root / "images").is_dir() and not _are_listed(splits)):
        return Split("", root)
    name = asked or (next(iter(splits)) if len(splits) == 1 else DEFAULT)
    if name in splits:
        return splits[name]
    if asked is None:
        raise bad_file(root, f"has no split {DEFAULT}", f"choose one of {', '.join(splits)} with --split")
    raise fault(root, unknown("split", asked, splits))


def _are_listed(splits: Mapping[str, Split]) -> bool:
    return any(split.listed for split in splits.values())
