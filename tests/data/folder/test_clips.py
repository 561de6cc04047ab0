"""Clips, whose frames lie in folders."""

from robustbench_seg.data.folder import Folder
from tests.data.folder.farm import IMAGE, one_line_error


def test_clips(make):
    data = Folder(make('group = "folder"', names=("two/a", "one/b", "one/a")))
    assert list(data.ids) == ["one/a", "one/b", "two/a"]
    assert list(data.groups) == ["one", "one", "two"]
    assert data[2].image.shape == (4, 6, 3)


def test_image_outside_the_clips(make, save):
    root = make('group = "folder"', names=("one/a",))
    save(root / "images" / "loose.jpg", IMAGE)
    one_line_error(root, "is in no clip", root / "images" / "loose.jpg")


def test_clips_nested_too_deep(make):
    root = make('group = "folder"', names=("one/a", "one/deep/b"))
    one_line_error(root, "one level", root / "labels" / "one" / "deep")


def test_clips_that_may_be_splits(make):
    root = make(names=("one/a", "two/b"))
    one_line_error(root, 'or say group = "folder"', root)
