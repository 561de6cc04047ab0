"""Lists of frames: text files with one id per line, and a video whose clips are read from such frames alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from robustbench_seg.data.base import Dataset, Sample, Video
from robustbench_seg.errors import InputError
from robustbench_seg.results.files import write_text

FRAMES = "frames.txt"


def write_frames(path: Path, ids: Iterable[str], made_of: str) -> None:
    """Writes a list, whole or not at all; its first line says what it is made of."""
    write_text("".join(f"{line}\n" for line in (f"# {made_of}", *ids)), path)


def read_frames(path: Path) -> tuple[str, ...]:
    """The ids of a list; InputError where it cannot be read."""
    return tuple(line for line in _lines(path) if not line.startswith("#"))


def is_made_of(path: Path, made_of: str) -> bool:
    """Whether there is a list that was made of this."""
    return path.exists() and _lines(path)[:1] == [f"# {made_of}"]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of frames: {error}") from None


class ChosenFrames(Dataset):
    """Some frames of a video, in its order; their neighbours may be any."""

    def __init__(self, video: Dataset, ids: Iterable[str]) -> None:
        """InputError where an id is none of the video's, or none is left."""
        numbers = {name: index for index, name in enumerate(video.ids)}
        chosen = list(dict.fromkeys(ids))
        if strange := [name for name in chosen if name not in numbers]:
            raise InputError(f"data set {video.name} has no frame '{strange[0]}'; make the list of its frames anew")
        if not chosen:
            raise InputError(f"no frame of data set {video.name} is left to learn from; drop fewer")
        self._video = video
        self._indices = sorted(numbers[name] for name in chosen)
        self.name, self.classes, self.tasks, self.split = video.name, video.classes, video.tasks, video.split
        self.terms, self.own_classes = video.terms, video.own_classes
        self.ids = [video.ids[index] for index in self._indices]
        self.groups = [video.groups[index] for index in self._indices]

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`."""
        return self._video[self._indices[index]]

    def neighbours(self, index: int) -> tuple[Sample, Sample]:
        """The frames before and after, as the video has them; InputError where it is none."""
        if not isinstance(self._video, Video):
            raise InputError(f"data set {self.name} has no neighbouring frames to learn depth from")
        return self._video.neighbours(self._indices[index])

    def fingerprint(self) -> str:
        """A digest of the video's and of the chosen ids."""
        return hashlib.sha256("\n".join((self._video.fingerprint(), *self.ids)).encode()).hexdigest()
