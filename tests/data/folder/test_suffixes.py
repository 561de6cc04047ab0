"""Names that share what comes before a suffix."""

import shutil

import numpy as np

from robustbench_seg.data.folder import Folder
from tests.data.folder.farm import IDS, IMAGE, one_line_error


def test_suffixes(make, save):
    """Cityscapes' habit: names share what comes before a suffix, and other files lie beside the labels."""
    root = make('suffix = {images = "_leftImg8bit.png", labels = "_gtFine_labelIds"}')
    for folder in ("images", "labels"):
        shutil.rmtree(root / folder)
    save(root / "images" / "ulm_1_leftImg8bit.png", IMAGE)
    save(root / "labels" / "ulm_1_gtFine_labelIds.png", IDS)
    save(root / "labels" / "ulm_1_gtFine_color.png", IMAGE)
    data = Folder(root)
    assert list(data.ids) == ["ulm_1"]
    np.testing.assert_array_equal(data[0].labels["semantic"], IDS)
    (root / "labels" / "ulm_1_gtFine_labelIds.png").unlink()
    one_line_error(root, "does not end in _gtFine_labelIds", root / "labels" / "ulm_1_gtFine_color.png")


def test_suffixes_in_clips(make, save):
    root = make('group = "folder"\nsuffix.labels = "_L"', names=("one/a",))
    (root / "labels" / "one" / "a.png").rename(root / "labels" / "one" / "a_L.png")
    assert list(Folder(root).ids) == ["one/a"]
