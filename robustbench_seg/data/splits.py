"""The splits of a folder of images: folders around or within `images`, or text files that list the names of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from robustbench_seg.data.files import entries, same_name
from robustbench_seg.data.images import bad_file, read_text
from robustbench_seg.registry import printable, some, unknown
from robustbench_seg.strict import fault

DEFAULT = "val"


@dataclass(frozen=True)
class Split:
    """One split: the `folder` that holds its `images`, a folder `within` those, and the file that lists which."""

    name: str
    folder: Path
    listed: Path | None = None
    within: str = ""

    def at(self, part: str) -> Path:
        """Where the files of a part are, such as `images`."""
        return self.folder / part / self.within

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


def find_splits(root: Path, lists: str | None, parts: frozenset[str], *, clips: bool) -> dict[str, Split]:
    """The splits of a root by name: `lists`/SPLIT.txt, else the folders SPLIT/images, else images/SPLIT.

    `parts` are folders that are no split, and `clips` says that the folders of files are clips. InputError where
    `lists` holds no list.
    """
    if lists is not None:
        return _listed(root, root / lists)
    around = splits_around(root, parts)
    if around or not (root / "images").is_dir():
        return around
    inner = entries(root / "images")
    are_splits = all(entry.is_dir() and (not clips or all(one.is_dir() for one in entries(entry))) for entry in inner)
    return {entry.name: Split(entry.name, root, within=entry.name) for entry in inner} if are_splits else {}


def splits_around(root: Path, parts: Collection[str], images: str = "images") -> dict[str, Split]:
    """The folders of a root that hold a folder of images, by name, but `parts`."""
    around = (entry for entry in entries(root) if entry.name not in parts and (entry / images).is_dir())
    return {folder.name: Split(folder.name, folder) for folder in around}


def _listed(root: Path, lists: Path) -> dict[str, Split]:
    found = {path.stem: Split(path.stem, root, path) for path in entries(lists) if path.suffix == ".txt"}
    if not found:
        raise bad_file(lists, "holds no list of a split", "write one as SPLIT.txt, with one id a line")
    return found


def choose(root: Path, splits: Mapping[str, Split], asked: str | None, images: str = "images") -> Split:
    """The split asked for; else `val`, or the only one. Without splits the whole root is `val`.

    A root may hold `images` beside the folders of its splits: they are used where no split is asked for. InputError
    where the one asked for is not there, or none is and there are several.
    """
    is_whole = asked is None and (root / images).is_dir() and any(split.folder != root for split in splits.values())
    if is_whole or (not splits and asked in (None, DEFAULT)):
        return Split("", root)
    if not splits:
        raise bad_file(root, f"has no splits, '{asked}' was asked for", f"leave it out, or make SPLIT/{images}")
    name = asked or (next(iter(splits)) if len(splits) == 1 else DEFAULT)
    if name in splits:
        return splits[name]
    if asked is None:
        clips = ', or say group = "folder" in dataset.toml where they are clips'
        fix = f"choose one of {some(splits)} with --split"
        are_within = any(split.within for split in splits.values())
        raise bad_file(root, f"has no split {DEFAULT}", fix + (clips if are_within else ""))
    raise fault(root, unknown("split", asked, splits))
