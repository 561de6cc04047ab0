"""Samples kept as files: an image and one label file per task, matched by name."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.data.images import IMAGE_SUFFIXES, bad_file, check_size, read_bytes, read_image
from robustbench_seg.data.normals import NORMALS, with_normals
from robustbench_seg.registry import printable
from robustbench_seg.tasks.names import label_of

Reader = Callable[[Path], npt.NDArray[np.generic]]
Intrinsics = Callable[[str, tuple[int, int]], npt.NDArray[np.float32]]
"""The camera (3,3) of a sample by its id, at the size (H,W) of its image."""


@dataclass(frozen=True)
class LabelFiles:
    """The files of one task by sample id, and how one is read to an (H,W) array."""

    paths: Mapping[str, Path]
    read: Reader


class FileDataset(Dataset):
    """Samples kept as files: an image and one label file per task, matched by id, and its camera where that is known.

    With depth and a camera there are normals too: those of `normals_from_depth`, unless there are files of them.
    """

    def __init__(
        self,
        root: Path,
        images: Mapping[str, Path],
        labels: Mapping[str, LabelFiles],
        also: Mapping[str, Collection[Path]] | None = None,
        intrinsics: Intrinsics | None = None,
        read: Reader = read_image,
    ) -> None:
        """Takes the images by id, the labels by task, other files by what they are of (`also`), and the cameras.

        `root` is what file names are relative to in the fingerprint, `read` reads an image to (H,W,3) uint8. InputError
        for a sample without a label, or a label without an image.
        """
        for task, files in labels.items():
            check_pairs(task, images, files.paths)
        self._root = root
        self._images = images
        self._read = read
        self._labels = labels
        self._also = {kind: tuple(paths) for kind, paths in (also or {}).items() if paths}
        self._digest = ""
        self.ids = sorted(images)
        self._intrinsics = intrinsics
        self._derives = intrinsics is not None and "depth" in labels and NORMALS not in labels
        self.tasks = (*labels, NORMALS) if self._derives else tuple(labels)

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`; InputError where a file is wrong or a label differs in size from its image."""
        name = self.ids[index]
        image = np.asarray(self._read(self._images[name]), np.uint8)
        labels: dict[str, object] = {}
        for task, files in self._labels.items():
            values = files.read(files.paths[name])
            fix = "make both the same size"
            check_size(files.paths[name], values.shape, image.shape, f"its image {self._images[name]}", fix)
            labels[task] = values
        if self._intrinsics is None:
            return Sample(name, image, labels)
        camera = self._intrinsics(name, image.shape[:2])
        known = with_normals(labels, camera) if self._derives else labels
        return Sample(name, image, known, {"intrinsics": camera})

    def sources(self) -> dict[str, str]:
        """How many files of each kind there are, and in which folder of the root."""
        kinds = {"image": self._images} | {task: files.paths for task, files in self._labels.items()}
        every = {kind: tuple(paths.values()) for kind, paths in kinds.items()} | self._also
        return {kind: _where(self._root, paths) for kind, paths in every.items()}

    def fingerprint(self) -> str:
        """The sha256 of every file's relative name, size and content, computed once."""
        if not self._digest:
            parts = [self._images, *(files.paths for files in self._labels.values())]
            listed = chain(*self._also.values(), *(part.values() for part in parts))
            self._digest = _digest(self._root, listed)
        return self._digest


def list_files(
    folder: Path, suffixes: frozenset[str] = IMAGE_SUFFIXES, *, nested: bool = False, ending: str = ""
) -> dict[str, Path]:
    """The files of a folder by id: the name without `ending` and extension, or `CLIP/NAME` where `nested`.

    `ending` may hold the extension. Hidden files, and other endings and extensions, are ignored. InputError where there
    is no such folder, none of the files in it, two of one id, or a depth of folders not asked for.
    """
    clips = [entry for entry in entries(folder) if entry.is_dir()]
    loose = [entry for entry in entries(folder) if _is_kind(entry, suffixes)]
    if nested and loose:
        raise bad_file(loose[0], 'is in no clip, dataset.toml says group = "folder"', "move it to a folder of its clip")
    if clips and not nested:
        raise bad_file(clips[0], "is a folder among files", 'move it, or say group = "folder" in dataset.toml')
    inner = [entry for clip in clips for entry in entries(clip)]
    if deep := [entry for entry in inner if entry.is_dir()]:
        raise bad_file(deep[0], "is a folder in a clip's folder", "keep clips one level deep: CLIP/NAME")
    paths = [path for path in inner if _is_kind(path, suffixes)] if nested else loose
    if not paths:
        raise bad_file(folder, "holds no files of a known kind", f"use {', '.join(sorted(suffixes))}")
    ended = [path for path in paths if path.stem.endswith(ending) or path.name.endswith(ending)]
    if not ended:
        raise bad_file(paths[0], f"does not end in {ending}, nor does any file there", "correct the suffix")
    return _by_name(((path.parent.relative_to(folder) / _without(path, ending)).as_posix(), path) for path in ended)


def files_ending(folders: Iterable[Path], ending: str) -> dict[str, Path]:
    """The files of some folders whose names end in `ending`, by name without it; empty where there are none.

    InputError where a folder cannot be listed, or two files have one name.
    """
    paths = (entry for folder in folders for entry in entries(folder) if entry.name.endswith(ending))
    return _by_name((path.name.removesuffix(ending), path) for path in paths)


def same_name(name: str) -> str:
    """A name in the one form of Unicode in which names are compared: file systems differ in how they write é."""
    return unicodedata.normalize("NFC", name)


def entries(folder: Path) -> list[Path]:
    """What lies in a folder but hidden files, sorted; InputError where it cannot be read."""
    try:
        return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise bad_file(folder, f"cannot be listed ({error.strerror})", "check the folder and its permissions") from None


def check_pairs(task: str, images: Mapping[str, Path], labels: Mapping[str, Path]) -> None:
    """Raises InputError for an image without a label of the task, or a label without an image."""
    bare = sorted(images.keys() - labels.keys())
    if bare:
        others = f" (nor have {len(bare) - 1} others)" if len(bare) > 1 else ""
        raise bad_file(
            images[bare[0]],
            f"has no {label_of(task) or task} labels of its name{others}",
            "add them or remove the image",
        )
    orphans = sorted(labels.keys() - images.keys())
    if orphans:
        raise bad_file(labels[orphans[0]], "has no image of its name", "add the image or remove the label")


def _by_name(named: Iterable[tuple[str, Path]]) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for name, path in ((same_name(name), path) for name, path in named):
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
            raise bad_file(path.parent / printable(path.name), "has a name that is no printable Unicode", "rename it")
        if name in paths:
            raise bad_file(path, f"has the name of {paths[name]}", "keep one of them")
        paths[name] = path
    return paths


def _without(path: Path, ending: str) -> str:
    return (path.stem if path.stem.endswith(ending) else path.name).removesuffix(ending)


def _is_kind(path: Path, suffixes: frozenset[str]) -> bool:
    return path.suffix.lower() in suffixes and not path.is_dir()


def _where(root: Path, paths: Collection[Path]) -> str:
    """`12 .jpg in images`."""
    kinds = Counter(path.suffix for path in paths).most_common()
    folder = os.path.commonpath([path.parent.relative_to(root) for path in paths]) if paths else ""
    return f"{', '.join(f'{count} {kind}' for kind, count in kinds)} in {folder or '.'}"


def _digest(root: Path, paths: Iterable[Path]) -> str:
    whole = hashlib.sha256()
    for path in sorted(set(paths)):
        data = read_bytes(path)
        content = hashlib.sha256(data).hexdigest()
        whole.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0{content}\n".encode())
    return whole.hexdigest()
