"""Splits as folders, over or within images/ and labels/."""

import shutil

import pytest

from robustbench_seg.data.folder import Folder
from tests.data.folder.farm import one_line_error


def test_splits(make):
    root = make(at="train", names=("a",))
    make(at="val", names=("c", "d"))
    assert list(Folder(root, "train").ids) == ["a"]
    assert list(Folder(root, "val").ids) == ["c", "d"]


def test_without_split_folders_val_is_the_whole(make):
    root = make()
    assert list(Folder(root, "val").ids) == ["a", "b"]
    one_line_error(root, "has no splits, 'nonsense' was asked for", root, "nonsense")


@pytest.mark.parametrize(
    ("split", "part"), [("vall", "'vall'; did you mean val"), (None, "choose one of a, b with --split")]
)
def test_split_that_is_not_there(make, split, part):
    root = make(at="a")
    make(at="b")
    if split:
        make(at="val")
    one_line_error(root, part, root, split)


@pytest.mark.parametrize(("folders", "split"), [(("train", "val", "test"), "val"), (("valid",), "valid")])
def test_split_without_a_choice(make, folders, split):
    for name in folders:
        root = make(at=name)
    data = Folder(root)
    assert (data.split, data.splits) == (split, tuple(sorted(folders)))


def test_splits_within_the_folders(make, save):
    """images/SPLIT/NAME, the habit of detectors, and Cityscapes' images/SPLIT/CITY/NAME."""
    root = make(names=("train/a", "val/b", "val/c"))
    assert list(Folder(root).ids) == ["b", "c"]
    assert list(Folder(root, "train").ids) == ["a"]
    one_line_error(root, "'vall'; did you mean val", root, "vall")
    shutil.rmtree(root / "labels" / "val")
    one_line_error(root, "has neither", root)


def test_splits_of_clips_within_the_folders(make):
    root = make('group = "folder"', names=("train/ulm/a", "val/bonn/b", "val/jena/c"))
    data = Folder(root)
    assert (data.split, list(data.ids), list(data.groups)) == ("val", ["bonn/b", "jena/c"], ["bonn", "jena"])
