"""From the ids or colours of label files to classes."""

import numpy as np
import pytest

from robustbench_seg.classes import CAMVID11, align
from robustbench_seg.data.folder import Folder
from robustbench_seg.errors import InputError
from tests.data.folder.farm import IDS


def test_built_in_classes_and_maps(make):
    data = Folder(make(config='classes = "camvid11"\n[maps.other]\nstreet = "road"\n'))
    assert data.classes == CAMVID11
    assert data.classes.maps["other"] == {"street": "road"}
    assert align(CAMVID11, data.classes).keeps(11)


def test_raw_ids(make):
    data = Folder(make('[ids]\n0 = "car"\n2 = "road"'))
    assert data[0].labels["semantic"][0].tolist() == [2, 255, 0, 2, 255, 255]


def test_void_ids(make, save):
    root = make("void = [9]")
    save(root / "labels" / "a.png", np.where(IDS == 1, 9, IDS))
    assert Folder(root)[0].labels["semantic"][0].tolist() == [0, 255, 2, 0, 255, 255]


@pytest.mark.parametrize(
    ("void", "held", "dtype"), [(65535, 65535, np.uint16), (-1, 65535, np.uint16), (-1, 255, np.uint8)]
)
def test_void_beyond_eight_bits(make, save, void, held, dtype):
    root = make(f"void = [{void}]")
    for name in "ab":
        save(root / "labels" / f"{name}.png", np.where(IDS == 255, held, IDS), dtype)
    np.testing.assert_array_equal(Folder(root)[0].labels["semantic"], IDS)


def test_classes_beyond_eight_bits(make, save):
    root = make('[ids]\n26000 = "car"')
    save(root / "labels" / "a.png", np.where(IDS == 0, 26000, 1000), np.uint16)
    assert Folder(root)[0].labels["semantic"][0].tolist() == [2, 255, 255, 2, 255, 255]


def test_colour_labels(make, save):
    root = make("palette = [[1, 0, 0], [2, 0, 0], [3, 0, 0]]\nvoid = [[0, 0, 0]]")
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[..., 0] = [0, 1, 2, 3, 3, 3]
    for name in "ab":
        save(root / "labels" / f"{name}.png", colours)
    data = Folder(root)
    assert data[0].labels["semantic"][0].tolist() == [255, 0, 1, 2, 2, 2]
    assert data.classes.palette == ((1, 0, 0), (2, 0, 0), (3, 0, 0))


LABEL_IDS = np.array([[7, 26, 23, 0, 33, 255]] * 4)


def test_label_ids_of_cityscapes(make, save):
    root = make('ids = "labelIds"', config='classes = "cityscapes19"\n')
    save(root / "labels" / "a.png", LABEL_IDS)
    assert Folder(root)[0].labels["semantic"][0].tolist() == [0, 13, 10, 255, 18, 255]


@pytest.mark.parametrize(
    ("ids", "seems"),
    [
        (LABEL_IDS, True),
        (LABEL_IDS * 0 + 19, False),  # void in many a data set
        (LABEL_IDS * 0 + 34, False),
        (LABEL_IDS + 1000, False),
    ],
)
def test_label_ids_where_train_ids_belong_are_noticed(make, save, ids, seems):
    root = make(config='classes = "cityscapes19"\n')
    save(root / "labels" / "a.png", ids, np.uint16)
    with pytest.raises(InputError) as caught:
        Folder(root)[0]
    assert ('write ids = "labelIds"' in str(caught.value)) is seems
    save(root / "labels" / "a.png", np.array([[0, 7, 8, 11, 18, 255]] * 4))
    assert Folder(root)[0].labels["semantic"].max() == 255
