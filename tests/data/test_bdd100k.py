import numpy as np
import pytest

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.bdd100k import BDD100K
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec

IDS = np.array([[*range(19), 255]] * 2)
NAMES = ["7d06fefd-f7be05a6", "9c5c8f5b-8ba4f3b8"]


@pytest.fixture
def tree(tmp_path, save):
    """The trees of the 10K images and of the semantic segmentation, and what else lies beside them."""
    base = tmp_path / "bdd100k"
    for split in ("train", "val", "test"):
        for name in NAMES:
            save(base / "images" / "10k" / split / f"{name}.jpg", np.full((2, 20, 3), 90))
    for split in ("train", "val"):
        save(base / "images" / "100k" / split / "0000f77c-6257be58.jpg", np.full((2, 20, 3), 90))
        for name in NAMES:
            labels = base / "labels" / "sem_seg"
            save(labels / "masks" / split / f"{name}.png", IDS)
            save(labels / "colormaps" / split / f"{name}.png", np.full((2, 20, 3), 90))
            (labels / "polygons").mkdir(exist_ok=True)
            (labels / "polygons" / f"sem_seg_{split}.json").write_text("[]")
    return base


@pytest.mark.parametrize("split", ["train", "val"])
def test_labelled_images(tree, split):
    data = BDD100K(tree.parent, split)
    assert list(data.ids) == list(data.groups) == NAMES
    assert (data.name, data.tasks, data.classes) == ("bdd100k", ("semantic",), CITYSCAPES19)
    np.testing.assert_array_equal(data[0].labels["semantic"], IDS)


def test_registered(tree):
    data = DataSpec.parse(f"bdd100k:{tree}").load()
    assert isinstance(data, BDD100K)
    assert data.fingerprint() != BDD100K(tree, "train").fingerprint()


@pytest.mark.parametrize(("split", "part"), [("test", "test are withheld; use val"), ("trian", "did you mean train")])
def test_no_other_split(tree, split, part):
    with pytest.raises(UsageError, match=part):
        BDD100K(tree, split)


def test_another_tree(tmp_path, refuses):
    refuses(lambda: BDD100K(tmp_path), tmp_path / "images" / "10k" / "val", "is missing", "bdd100k_images_10k.zip")


def test_no_masks(tree, refuses):
    masks = tree / "labels" / "sem_seg" / "masks" / "val"
    for name in NAMES:
        (masks / f"{name}.png").unlink()
    refuses(lambda: BDD100K(tree), masks, "holds no *.png", "bdd100k_sem_seg_labels_trainval.zip")


def test_image_without_mask(tree, refuses):
    (tree / "labels" / "sem_seg" / "masks" / "val" / f"{NAMES[1]}.png").unlink()
    refuses(lambda: BDD100K(tree), tree / "images" / "10k" / "val" / f"{NAMES[1]}.jpg", "has no semantic labels")


def test_label_ids_are_refused(tree, save, refuses):
    path = save(tree / "labels" / "sem_seg" / "masks" / "val" / f"{NAMES[0]}.png", IDS.clip(max=33))
    refuses(lambda: BDD100K(tree), path, "holds label ids 33")
