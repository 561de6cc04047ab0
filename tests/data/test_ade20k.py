import numpy as np
import pytest

from robustbench_seg.classes import ADE20K150
from robustbench_seg.data.ade20k import ADE20K
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec

# Lines of objectInfo150.txt: the id in the files, and the first synonym.
OFFICIAL = {1: "wall", 2: "building", 7: "road", 12: "sidewalk", 13: "person", 21: "car", 45: "chest of drawers"}
OFFICIAL |= {81: "bus", 84: "truck", 90: "television receiver", 94: "pole", 104: "ship", 118: "cradle"}
OFFICIAL |= {128: "bicycle", 137: "traffic light", 142: "crt screen", 148: "glass", 150: "flag"}
IDS = np.arange(151).reshape(1, 151)
SPLITS = {"train": ("training", "train"), "val": ("validation", "val")}


@pytest.fixture
def tree(tmp_path, save):
    """The tree of ADEChallengeData2016.zip."""
    base = tmp_path / "ADEChallengeData2016"
    for folder, prefix in SPLITS.values():
        for number in (1, 2):
            name = f"ADE_{prefix}_{number:08d}"
            save(base / "images" / folder / f"{name}.jpg", np.full((1, 151, 3), 90))
            save(base / "annotations" / folder / f"{name}.png", IDS)
    for file in ("objectInfo150.txt", "sceneCategories.txt"):
        (base / file).write_text("Idx\tRatio\n")
    return base


def test_the_official_classes():
    assert len(ADE20K150) == len(set(ADE20K150.names)) == 150
    assert {index: ADE20K150.names[index - 1] for index in OFFICIAL} == OFFICIAL


@pytest.mark.parametrize("split", SPLITS)
def test_every_id_is_read(tree, split):
    data = ADE20K(tree.parent, split)
    assert list(data.ids) == list(data.groups) == [f"ADE_{split}_00000001", f"ADE_{split}_00000002"]
    assert (data.name, data.tasks, data.classes) == ("ade20k", ("semantic",), ADE20K150)
    assert data[1].labels["semantic"].ravel().tolist() == [255, *range(150)]


def test_registered_and_val_by_default(tree):
    data = DataSpec.parse(f"ade20k:{tree}").load()
    assert isinstance(data, ADE20K)
    assert data.ids[0] == "ADE_val_00000001"


@pytest.mark.parametrize(
    ("split", "part"), [("test", "test are withheld; use val"), ("validation", "known: train, val")]
)
def test_no_other_split(tree, split, part):
    with pytest.raises(UsageError, match=part):
        ADE20K(tree, split)


def test_another_tree(tmp_path, refuses):
    refuses(lambda: ADE20K(tmp_path), tmp_path / "images" / "validation", "is missing; unpack ADEChallengeData2016.zip")


def test_no_annotations(tree, refuses):
    (tree / "annotations").rename(tree / "elsewhere")
    refuses(lambda: ADE20K(tree), tree / "annotations" / "validation", "is missing; unpack ADEChallengeData2016.zip")


@pytest.mark.parametrize("index", ["index_ade20k.pkl", "index_ade20k.mat"])
def test_the_full_release(tmp_path, save, refuses, index):
    scene = tmp_path / "images" / "ADE" / "validation" / "urban" / "street"
    save(scene / "ADE_val_00000001.jpg", np.full((1, 151, 3), 90))
    save(scene / "ADE_val_00000001_seg.png", np.zeros((1, 151, 3)))
    (tmp_path / index).touch()
    refuses(lambda: ADE20K(tmp_path), tmp_path, "is the full release", "ADEChallengeData2016.zip")


def test_an_id_that_is_no_class(tree, save, refuses):
    path = save(tree / "annotations" / "validation" / "ADE_val_00000002.png", IDS + 1)
    refuses(lambda: ADE20K(tree), path, "holds label ids 151")
