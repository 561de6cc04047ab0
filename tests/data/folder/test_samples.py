"""Images and labels of a folder, and what the data set says of itself."""

import pickle

import numpy as np
import pytest

from robustbench_seg.data.folder import Folder
from tests.data.folder.farm import IDS, one_line_error


def test_ids_and_samples(make):
    data = Folder(make())
    assert (data.name, data.tasks, list(data.ids), list(data.groups)) == ("farm", ("semantic",), ["a", "b"], ["a", "b"])
    assert data.classes.names == ("road", "sky", "car")
    assert len(data) == 2
    sample = data[1]
    assert sample.id == "b"
    assert sample.image.shape == (4, 6, 3)
    assert sample.labels["semantic"].dtype == np.uint8
    np.testing.assert_array_equal(sample.labels["semantic"], IDS)
    assert [one.id for one in data] == ["a", "b"]


def test_name_is_declared(make):
    data = Folder(make('name = "meadow"'))
    assert data.name == data.classes.name == "meadow"


def test_hidden_and_other_files_are_left_out(make):
    root = make()
    for name in (".DS_Store", "._a.jpg", "Thumbs.db", "notes.txt"):
        (root / "images" / name).write_bytes(b"x")
    assert len(Folder(root)) == 2


def test_unicode_in_another_form(make):
    """A label copied from a file system that writes é as two characters still belongs to its image."""
    root = make(names=("caf\u00e9",))
    (root / "labels" / "caf\u00e9.png").rename(root / "labels" / "cafe\u0301.png")
    assert list(Folder(root).ids) == ["caf\u00e9"]


def test_index_out_of_range(make):
    with pytest.raises(IndexError):
        Folder(make())[2]


def test_pickled_for_a_worker(make):
    data = pickle.loads(pickle.dumps(Folder(make('[ids]\n0 = "car"'))))
    assert data[0].labels["semantic"][0, 0] == 2


def test_root_is_missing(tmp_path):
    one_line_error(tmp_path / "absent", "is no folder", tmp_path / "absent")
