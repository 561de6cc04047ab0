"""Lists of frames, and a video that is read from them alone."""

from __future__ import annotations

import numpy as np
import pytest

from robustbench_seg.data.base import Video
from robustbench_seg.errors import InputError
from robustbench_seg.training.stages.frames import ChosenFrames, is_made_of, read_frames, write_frames
from tests.training.video.conftest import Film


def test_a_list_is_read_as_it_was_written(tmp_path):
    file = tmp_path / "frames.txt"
    write_frames(file, ["a/1 l", "b"], "123")
    assert file.read_text() == "# 123\na/1 l\nb\n"
    assert read_frames(file) == ("a/1 l", "b")
    assert is_made_of(file, "123")
    assert not is_made_of(file, "1234")
    assert not is_made_of(tmp_path / "none.txt", "123")


def test_no_list(tmp_path):
    with pytest.raises(InputError, match=r"none.txt: cannot be read as a list of frames"):
        read_frames(tmp_path / "none.txt")


def test_clips_are_those_of_the_chosen_frames():
    film = Film(4)
    chosen = ChosenFrames(film, ["003", "001", "003"])
    assert isinstance(chosen, Video)
    assert chosen.ids == ["001", "003"]
    assert chosen[1].id == "003"
    assert np.array_equal(chosen[0].image, film[1].image)
    for mine, theirs in zip(chosen.neighbours(1), film.neighbours(3), strict=True):
        assert np.array_equal(mine.image, theirs.image)
    assert (chosen.name, chosen.tasks, chosen.terms) == (film.name, film.tasks, film.terms)


def test_the_fingerprint_names_the_frames():
    prints = {ChosenFrames(Film(4), ids).fingerprint() for ids in (["001"], ["001", "002"], ["002"])}
    prints.add(ChosenFrames(Film(3), ["001"]).fingerprint())
    assert len(prints) == 4
    assert ChosenFrames(Film(4), ["002", "001"]).fingerprint() == ChosenFrames(Film(4), ["001", "002"]).fingerprint()


@pytest.mark.parametrize(
    ("ids", "message"), [(["001", "9"], "film has no frame '9'"), ([], "no frame of data set film is left")]
)
def test_a_list_of_other_frames(ids, message):
    with pytest.raises(InputError, match=message):
        ChosenFrames(Film(4), ids)


def test_images_without_neighbours(toy):
    with pytest.raises(InputError, match="tiny has no neighbouring frames"):
        ChosenFrames(toy, ["000"]).neighbours(0)
