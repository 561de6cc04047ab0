import numpy as np
import pytest
from PIL import Image

from robustbench_seg.classes import VOC21
from robustbench_seg.data.voc import VOC
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec

# The table of the development kit: some ids, with their names and colours.
OFFICIAL = {0: ("background", (0, 0, 0)), 1: ("aeroplane", (128, 0, 0)), 5: ("bottle", (128, 0, 128))}
OFFICIAL |= {7: ("car", (128, 128, 128)), 15: ("person", (192, 128, 128)), 20: ("tvmonitor", (0, 64, 128))}
IDS = np.array([[0, 1, 15, 20, 255, 255]] * 4, np.uint8)
LISTS = {"train": ["2007_000032"], "val": ["2007_000033", "2007_000042"]}
LISTS["trainval"] = LISTS["train"] + LISTS["val"]
PALETTE = [channel for colour in (*VOC21.palette, *[(0, 0, 0)] * 234, (224, 224, 192)) for channel in colour]


@pytest.fixture
def tree(tmp_path, save):
    """The tree of VOCtrainval_11-May-2012.tar, of whose images most are not segmented."""
    base = tmp_path / "VOCdevkit" / "VOC2012"
    for name in (*LISTS["trainval"], "2008_000002"):
        save(base / "JPEGImages" / f"{name}.jpg", np.full((4, 6, 3), 90))
        (base / "Annotations").mkdir(exist_ok=True)
        (base / "Annotations" / f"{name}.xml").write_text("<annotation/>")
    for name in LISTS["trainval"]:
        for kind in ("SegmentationClass", "SegmentationObject"):
            (base / kind).mkdir(exist_ok=True)
            image = Image.fromarray(IDS if kind == "SegmentationClass" else IDS // 2, "P")
            image.putpalette(PALETTE)
            image.save(base / kind / f"{name}.png")
    (base / "ImageSets" / "Segmentation").mkdir(parents=True)
    for split, names in LISTS.items():
        (base / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return base


def test_the_official_classes():
    assert len(VOC21) == 21
    assert {index: (VOC21.names[index], VOC21.palette[index]) for index in OFFICIAL} == OFFICIAL


@pytest.mark.parametrize("split", LISTS)
def test_listed_images(tree, split):
    data = VOC(tree.parents[1], split)
    assert list(data.ids) == list(data.groups) == LISTS[split]
    assert (data.name, data.tasks, data.classes) == ("voc", ("semantic",), VOC21)
    assert data[0].image.shape == (4, 6, 3)
    np.testing.assert_array_equal(data[0].labels["semantic"], IDS)


def test_registered_and_val_by_default(tree):
    data = DataSpec.parse(f"voc:{tree}").load()
    assert isinstance(data, VOC)
    assert list(data.ids) == LISTS["val"]
    assert data.fingerprint() != VOC(tree, "train").fingerprint()


@pytest.mark.parametrize(("split", "part"), [("test", "test are withheld; use val"), ("vall", "did you mean val")])
def test_no_other_split(tree, split, part):
    with pytest.raises(UsageError, match=part):
        VOC(tree, split)


def test_another_tree(tmp_path, refuses):
    listing = tmp_path / "ImageSets" / "Segmentation" / "val.txt"
    refuses(lambda: VOC(tmp_path), listing, "is missing; unpack VOCtrainval_11-May-2012.tar")


def test_an_empty_list(tree, refuses):
    listing = tree / "ImageSets" / "Segmentation" / "val.txt"
    listing.write_text("\n")
    refuses(lambda: VOC(tree), listing, "lists nothing")


def test_a_listed_image_is_missing(tree, refuses):
    (tree / "JPEGImages" / "2007_000042.jpg").unlink()
    listing = tree / "ImageSets" / "Segmentation" / "val.txt"
    refuses(lambda: VOC(tree), listing, "lists '2007_000042', which has no image")


def test_a_listed_image_without_labels(tree, refuses):
    (tree / "SegmentationClass" / "2007_000042.png").unlink()
    refuses(lambda: VOC(tree), tree / "JPEGImages" / "2007_000042.jpg", "has no semantic labels")


def test_no_segmentation(tree, refuses):
    (tree / "SegmentationClass").rename(tree / "elsewhere")
    refuses(lambda: VOC(tree), tree / "SegmentationClass", "is missing; unpack VOCtrainval")


def test_an_id_that_is_no_class(tree, save, refuses):
    path = save(tree / "SegmentationClass" / "2007_000033.png", IDS + 21)
    refuses(lambda: VOC(tree), path, "holds label ids 21, 22")
