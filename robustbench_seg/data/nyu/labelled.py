"""The labelled frames of NYU Depth V2 as they are published: one file of MATLAB's, which is HDF5."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from robustbench_seg.classes import NYU40
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.data.images import bad_file
from robustbench_seg.data.normals import with_normals
from robustbench_seg.data.nyu.labels import COUNT, FROM_LABELS
from robustbench_seg.extras import library
from robustbench_seg.registry import one_line

NAME, TERMS = "nyuv2", "NYU Depth V2: no licence stated, research use; cite Silberman et al., ECCV 2012"
LABELLED, SPLITS = "nyu_depth_v2_labeled.mat", "splits.mat"
INTRINSICS = np.array(
    [[518.85790117450188, 0, 324.58244941119034], [0, 519.46961112127485, 252.73616633400465], [0, 0, 1]], np.float32
)
"""The colour camera, for frames of 480x640: `camera_params.m` of the data set's toolbox, which counts pixels from 1."""

_FIX = "download it again"


class LabelledFrames(Dataset):
    """The labelled frames of a split by number, with the ids of `NYU40`, depth and normals; a scene is a group."""

    name = NAME
    classes = NYU40
    terms = TERMS
    tasks = ("semantic", "depth", "normals")

    def __init__(self, root: Path, split: str) -> None:
        """Opens both files; InputError where one cannot be read or lacks something. Frames are read with a sample."""
        self._file, self._splits = root / LABELLED, root / SPLITS
        self._numbers = _numbers(self._splits, split)
        with _opened(self._file) as content:
            count = len(content["images"])
            if absent := [number for number in self._numbers if not 1 <= number <= count]:
                raise bad_file(self._splits, f"lists frame {absent[0]}, {LABELLED} has {count}", _FIX)
            scenes = content["scenes"][0]
            self.groups = [_text(content[scenes[number - 1]]) for number in self._numbers]
        self.ids = [f"{number:05d}" for number in self._numbers]
        self._digest = ""

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`; InputError where the file cannot be read there."""
        at = self._numbers[index] - 1
        with _opened(self._file) as content:
            # MATLAB's axes are in the other order: (3,W,H), (W,H) and (W,H).
            image, depth, labels = (np.array(content[key][at]).T for key in ("images", "depths", "labels"))
        if labels.max() > COUNT:
            raise bad_file(self._file, f"holds the label {labels.max()} in frame {at + 1}, of {COUNT}", _FIX)
        known = {"semantic": FROM_LABELS[labels], "depth": depth.astype(np.float32)}
        camera = {"intrinsics": INTRINSICS}
        return Sample(self.ids[index], np.ascontiguousarray(image), with_normals(known, INTRINSICS), camera)

    def fingerprint(self) -> str:
        """The sha256 of both files and of which frames of them it is, computed once."""
        if not self._digest:
            parts = [_sha256(path) for path in (self._file, self._splits)]
            self._digest = hashlib.sha256("\n".join([*parts, *self.ids]).encode()).hexdigest()
        return self._digest


def _numbers(path: Path, split: str) -> list[int]:
    """The frames of a split, counted from 1, in order."""
    from scipy.io import loadmat

    if not path.is_file():
        raise bad_file(path, "is missing", f"download {SPLITS} beside {LABELLED}")
    try:
        return sorted(int(number) for number in np.ravel(loadmat(path)[f"{split}Ndxs"]))
    except Exception as error:  # on broken bytes scipy raises anything
        raise bad_file(path, f"cannot be read as the list of splits ({one_line(error)})", _FIX) from None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The content of an HDF5 file; InputError where it cannot be read or lacks what is asked for."""
    h5py = library("h5py", "nyuv2")
    try:
        with h5py.File(path, "r") as content:
            yield content
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        raise bad_file(path, f"cannot be read ({one_line(error)})", _FIX) from None


def _text(characters: Any) -> str:
    """What MATLAB keeps as a column of UTF-16 characters."""
    return "".join(map(chr, np.ravel(characters)))


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise bad_file(path, f"cannot be read ({error.strerror})", _FIX) from None
