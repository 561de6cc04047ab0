"""The lists that name the frames of a split of KITTI's raw recordings, and where those frames are on disk.

A line is `2011_09_26/2011_09_26_drive_0022_sync 473 r`: drive, frame, and the left (l) or right (r) colour camera (Zhou
2017), or an image's path such as `2011_09_26/2011_09_26_drive_0022_sync/image_03/data/0000000473.jpg`; a second path
beside it, the other camera's, is ignored (Godard 2017).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from robustbench_seg.data.files import entries
from robustbench_seg.data.images import bad_file, read_text

CAMERAS = {"l": "02", "r": "03"}
"""The numbers of the colour cameras by side."""
_SIDES = {number: side for side, number in CAMERAS.items()}

_LINE = re.compile(r"(\d{4}_\d\d_\d\d)/(\1_drive_\d{4}_sync) +(\d{1,10}) +([lr])")
_PATH = re.compile(r"(\d{4}_\d\d_\d\d)/(\1_drive_\d{4}_sync)/image_(02|03)/data/(\d{10})\.(?:png|jpg)(?: .*)?")
_FORM = "write lines such as 2011_09_26/2011_09_26_drive_0022_sync 473 r"
_IMAGES = frozenset({".png", ".jpg"})
_SCANS = frozenset({".bin"})


@dataclass(frozen=True)
class Frame:
    """A line of a list: the frame `number` of a drive, seen by the camera of `side`."""

    date: str
    drive: str
    number: int
    side: str

    @property
    def id(self) -> str:
        """Sorts by drive, then by time."""
        return f"{self.drive}/{self.number:010d}_{self.side}"

    def video(self, root: Path) -> Path:
        """The folder of its camera's images."""
        return root / self.date / self.drive / f"image_{CAMERAS[self.side]}" / "data"

    def scans(self, root: Path) -> Path:
        """The folder of its drive's laser scans."""
        return root / self.date / self.drive / "velodyne_points" / "data"


@dataclass(frozen=True)
class Shot:
    """A frame on disk: its image, its neighbours' images and its laser scan; None where a file is not there."""

    frame: Frame
    image: Path
    previous: Path | None
    following: Path | None
    scan: Path | None


def find_list(root: Path, split: str) -> Path:
    """The file that lists a split; InputError saying what to write where there is none."""
    choices = (root / "splits" / f"{split}.txt", root / f"{split}_files.txt")
    for path in choices:
        if path.is_file():
            return path
    raise bad_file(choices[0], f"is missing, nor is there a {choices[1].name} in {root}", _FORM)


def read_list(path: Path) -> list[Frame]:
    """The frames that a list names, one per line that is not blank.

    InputError where the file cannot be read or is empty, or a line of it is wrong or there twice.
    """
    frames: dict[str, Frame] = {}
    for number, line in enumerate(map(str.strip, read_text(path, _FORM).splitlines()), 1):
        if not line:
            continue
        frame = _parse(path, number, line)
        if frame.id in frames:
            raise bad_file(path, f"line {number} names a frame a second time ({line})", "remove it")
        frames[frame.id] = frame
    if not frames:
        raise bad_file(path, "names no frame", _FORM)
    return list(frames.values())


def locate(root: Path, frames: list[Frame]) -> dict[str, Shot]:
    """The files of every frame by id, from one listing of each folder; InputError where a drive or image is missing."""
    numbered, shots = cache(_numbered), {}
    for frame in frames:
        folder, scans, number = frame.video(root), frame.scans(root), frame.number
        images = numbered(folder, _IMAGES)
        if number not in images:
            missing = folder / f"{number:010d}.png"
            fix = "copy the drive, or take the frame off the list"
            raise bad_file(missing, "is missing (nor is there a .jpg)", fix)
        scan = numbered(scans, _SCANS).get(number) if scans.is_dir() else None
        shots[frame.id] = Shot(frame, images[number], images.get(number - 1), images.get(number + 1), scan)
    return shots


def _parse(path: Path, number: int, line: str) -> Frame:
    if match := _LINE.fullmatch(line):
        return Frame(match[1], match[2], int(match[3]), match[4])
    if match := _PATH.fullmatch(line):
        return Frame(match[1], match[2], int(match[4]), _SIDES[match[3]])
    raise bad_file(path, f"line {number} is {line[:80]!r}", _FORM)


def _numbered(folder: Path, suffixes: frozenset[str]) -> dict[int, Path]:
    """The files of a folder by number; of two of one number the last suffix counts (.png before .jpg)."""
    paths = (path for path in entries(folder) if path.suffix in suffixes and path.stem.isdecimal())
    return {int(path.stem): path for path in paths}
