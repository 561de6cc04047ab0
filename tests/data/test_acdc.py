import numpy as np
import pytest

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.acdc import ACDC
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec

TRAIN_IDS = np.array([[0, 1, 10, 13, 18, 255]] * 2)
LABEL_IDS = np.array([[7, 8, 23, 26, 33, 0]] * 2)
FRAMES = {
    "fog": ["GOPR0476_frame_000854"],
    "night": ["GOPR0376_frame_000161", "GP010376_frame_000129", "GP010376_frame_000132"],
    "rain": ["GP010402_frame_000326"],
    "snow": ["GOPR0607_frame_000158"],
}


@pytest.fixture
def tree(tmp_path, save):
    """The trees of rgb_anon_trainvaltest.zip and gt_trainval.zip, with every kind of file in them."""
    for condition, names in FRAMES.items():
        for split in ("train", "val", "test"):
            for name in names:
                inside = f"{condition}/{split}/{name[:8]}/{name}"
                reference = f"{condition}/{split}_ref/{name[:8]}/{name}"
                save(tmp_path / "rgb_anon" / f"{inside}_rgb_anon.png", np.full((2, 6, 3), 90))
                save(tmp_path / "rgb_anon" / f"{reference}_rgb_ref_anon.png", np.full((2, 6, 3), 90))
                if split != "test":
                    save(tmp_path / "gt" / f"{inside}_gt_labelTrainIds.png", TRAIN_IDS)
                    save(tmp_path / "gt" / f"{inside}_gt_labelIds.png", LABEL_IDS)
                    save(tmp_path / "gt" / f"{inside}_gt_labelColor.png", np.zeros((2, 6, 3)))
                    save(tmp_path / "gt" / f"{inside}_gt_invIds.png", TRAIN_IDS == 255)
    return tmp_path


@pytest.mark.parametrize("split", ["train", "val"])
def test_every_condition(tree, split):
    data = ACDC(tree, split)
    assert (data.name, data.tasks, data.classes) == ("acdc", ("semantic",), CITYSCAPES19)
    assert list(data.ids) == [f"{condition}/{name}" for condition, names in FRAMES.items() for name in names]
    np.testing.assert_array_equal(data[0].labels["semantic"], TRAIN_IDS)


def test_chapters_of_a_recording_are_one_group(tree):
    groups = ["fog/0476", "night/0376", "night/0376", "night/0376", "rain/0402", "snow/0607"]
    assert list(ACDC(tree).groups) == groups


def test_one_condition(tree):
    data = ACDC(tree, "night/val")
    assert list(data.ids) == [f"night/{name}" for name in FRAMES["night"]]
    assert data.fingerprint() != ACDC(tree).fingerprint()


def test_label_ids_where_train_ids_are_not(tree):
    for path in tree.glob("gt/*/*/*/*_gt_labelTrainIds.png"):
        path.unlink()
    for sample in ACDC(tree):
        np.testing.assert_array_equal(sample.labels["semantic"], TRAIN_IDS)


def test_each_condition_has_its_kind_of_labels(tree):
    for path in tree.glob("gt/night/*/*/*_gt_labelTrainIds.png"):
        path.unlink()
    for split in ("fog/val", "night/val", "val"):
        np.testing.assert_array_equal(ACDC(tree, split)[0].labels["semantic"], TRAIN_IDS)


def test_registered(tree):
    data = DataSpec.parse(f"acdc:{tree}", "snow/train").load()
    assert isinstance(data, ACDC)
    assert list(data.ids) == ["snow/GOPR0607_frame_000158"]


@pytest.mark.parametrize(
    ("split", "part"),
    [
        ("test", "test are withheld; use val"),
        ("fgo/val", "unknown split 'fgo/val'; did you mean fog/val"),
        ("val_ref", "unknown split 'val_ref'; did you mean val"),
        ("night", "unknown split 'night'; did you mean night/val"),
    ],
)
def test_no_other_split(tree, split, part):
    with pytest.raises(UsageError, match=part):
        ACDC(tree, split)


def test_another_tree(tmp_path, refuses):
    folder = tmp_path / "rgb_anon" / "fog" / "val"
    refuses(lambda: ACDC(tmp_path), folder, "is missing", "rgb_anon_trainvaltest.zip")


def test_no_labels(tree, refuses):
    (tree / "gt").rename(tree / "elsewhere")
    refuses(lambda: ACDC(tree), tree / "gt" / "fog" / "val", "is missing", "gt_trainval.zip")


def test_frame_without_labels(tree, refuses):
    path = tree / "rgb_anon" / "night" / "val" / "GP010376" / "GP010376_frame_000132_rgb_anon.png"
    (tree / "gt" / "night" / "val" / "GP010376" / "GP010376_frame_000132_gt_labelTrainIds.png").unlink()
    refuses(lambda: ACDC(tree), path, "has no semantic labels")
