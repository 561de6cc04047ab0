"""Splits as lists of names."""

import pytest

from robustbench_seg.data.folder import Folder
from tests.data.folder.farm import one_line_error


@pytest.fixture
def listed(make):
    """A folder of images `a`, `b` and `c` in VOC's habit: one folder of images, lists of the splits, no label for c."""
    root = make('splits = "ImageSets/Segmentation"', names=("a", "b", "c"))
    (root / "labels" / "c.png").unlink()
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_bytes(b"\xef\xbb\xbfb\r\n")
    (lists / "val.txt").write_text("b\na \n\na\n")
    return root


def test_lists(listed):
    data = Folder(listed)
    assert (data.split, data.splits, list(data.ids)) == ("val", ("train", "val"), ["a", "b"])
    assert list(Folder(listed, "train").ids) == ["b"]
    first = data.fingerprint()
    (listed / "ImageSets" / "Segmentation" / "val.txt").write_text("a\nb\n")
    assert Folder(listed).fingerprint() != first


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a\nz\ny", "lists 'z', which has no image (nor have 1 others)"),
        ("a.jpg", "lists 'a.jpg'"),
        ("", "lists nothing"),
        ("\n \n", "lists nothing"),
    ],
)
def test_bad_lists(listed, text, part):
    path = listed / "ImageSets" / "Segmentation" / "val.txt"
    path.write_text(text)
    one_line_error(listed, part, path)


def test_lists_that_are_not_there(listed):
    lists = listed / "ImageSets" / "Segmentation"
    one_line_error(listed, "'vall'", listed, "vall")
    (lists / "val.txt").write_text("c")
    one_line_error(listed, "has no semantic labels", listed / "images" / "c.jpg")
    (lists / "val.txt").write_bytes(b"\xff")
    one_line_error(listed, "not text", lists / "val.txt")
    for name in ("train.txt", "val.txt"):
        (lists / name).unlink()
    one_line_error(listed, "holds no list", lists)
    lists.rmdir()
    one_line_error(listed, "cannot be listed", lists)
