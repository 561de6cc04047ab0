"""Every kind of bad data tree: one line that says what, where and how to mend it, the right exit code, no traceback."""

from __future__ import annotations

import os
import shutil
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.images import MAX_BYTES
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.registry import MODELS
from tests.cli import miniatures
from tests.cli.miniatures import CITY, DRIVE, FINE, TREES, coco_table, colour, counts, deep, ids, picture, png, text

USAGE, INPUT = 2, 3
Change = Callable[[Path], object]
TASKS = ("semantic", "depth", "detection", "instance")
COCO_FILE = "annotations/instances_val2017.json"
VOC_LIST = "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
SCAN = f"{DRIVE}/velodyne_points/data/0000000000.bin"
ADE = "ADEChallengeData2016"
DEEP = "images/{}" + "d/" * 40 + "b.png"
BDD_IMAGE = "bdd100k/images/10k/val/7d06fefd-f7be05a6.jpg"
BDD_LABELS = "bdd100k/labels/sem_seg/masks/val"
BDD_LABEL = f"{BDD_LABELS}/7d06fefd-f7be05a6.png"


@pytest.fixture(autouse=True, scope="module")
def _perceiver():
    """A model with every task that these data sets have; it is never run."""
    if "perceiver" not in MODELS:
        made = LoadedModel("perceiver", nn.Conv2d(3, 19, 1), TASKS, CITYSCAPES19, "none", "0" * 64, "test")
        MODELS.register("perceiver", "every task")(lambda: made)


def all_of(*changes: Change) -> Change:
    return lambda root: [change(root) for change in changes]


def without(name: str) -> Change:
    """A file or folder is missing."""

    def change(root: Path) -> None:
        path = root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def emptied(name: str) -> Change:
    return all_of(without(name), lambda root: (root / name).mkdir())


def renamed(name: str, other: str) -> Change:
    return lambda root: (root / name).rename(root / other)


def moved(name: str, other: str) -> Change:
    return all_of(lambda root: (root / other).parent.mkdir(parents=True, exist_ok=True), renamed(name, other))


def written(name: str, content: object) -> Change:
    return lambda root: text(root / name, content)


def stored(name: str, content: bytes) -> Change:
    return lambda root: (root / name).write_bytes(content)


def a_file(name: str) -> Change:
    """A file in place of a folder."""
    return all_of(without(name), written(name, "in the way"))


def a_folder(name: str) -> Change:
    """A folder in place of a file."""
    return all_of(without(name), lambda root: (root / name).mkdir())


def link(name: str, target: str) -> Change:
    return lambda root: (root / name).symlink_to(target)


def locked(name: str) -> Change:
    return lambda root: (root / name).chmod(0)


def of(save: Callable[..., None], name: str, *values: object, **options: object) -> Change:
    return lambda root: save(root / name, *values, **options)


def config(**more: object) -> Change:
    """`dataset.toml` with other keys."""
    return written("dataset.toml", "".join(f"{key} = {value}\n" for key, value in more.items()))


def annotated(**changes: object) -> Change:
    """The annotation of COCO's file is changed."""
    table = coco_table()
    return written(COCO_FILE, table | {"annotations": [table["annotations"][0] | changes]})


def listed(**changes: object) -> Change:
    """The image of COCO's file is changed."""
    table = coco_table()
    return written(COCO_FILE, table | {"images": [table["images"][0] | changes]})


def bonn(root: Path) -> None:
    """A second frame of Cityscapes, which has no instance ids."""
    picture(root / CITY.replace("ulm", "bonn"))
    ids(root / f"{FINE}_labelIds.png".replace("ulm", "bonn"))


def not_unicode(root: Path) -> None:
    """The name of a file is no UTF-8."""
    (root / "images" / "a.png").rename(root / "images" / os.fsdecode(b"a\xff.png"))


def huge_array(root: Path) -> None:
    """A depth map whose header claims 20 GB."""
    (root / "depth" / "a.png").unlink()
    with (root / "depth" / "a.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (100_000, 50_000)}
        np.lib.format.write_array_header_1_0(file, header)


def sparse(name: str) -> Change:
    """A file of more bytes than memory should hold, none of them on the disk."""
    return lambda root: os.truncate(root / name, MAX_BYTES + 1)


HUGE = {
    "image of 60 000 x 60 000 pixels": (
        "folder",
        stored("images/a.png", png(60_000, 60_000, bytes(1 << 16))),
        "images/a.png",
        "resize",
    ),
    "label of 60 000 x 60 000 pixels": (
        "camvid",
        stored("val/labels/0016E5_07959.png", png(60_000, 60_000, bytes(1 << 16))),
        "0016E5_07959.png",
        "resize",
    ),
    "array of 20 GB": ("folder", huge_array, "depth/a.npy", "save it with numpy.save"),
    "label file of a gigabyte": ("cityscapes", sparse(f"{FINE}_labelIds.png"), f"{FINE}_labelIds.png", "the limit is"),
    "annotations of a gigabyte": ("coco", sparse(COCO_FILE), COCO_FILE, "the limit is"),
    "scan of a gigabyte": ("kitti-raw", sparse(SCAN), "0000000000.bin", "limit"),
    "COCO image declared huge": ("coco", listed(width=10**12), COCO_FILE, "images[0]: width: must be from 1"),
    "runs that claim a huge mask": (
        "coco",
        annotated(segmentation={"size": [12, 16], "counts": [10**15]}),
        COCO_FILE,
        "annotation 5",
    ),
    "polygon as long as the sky": ("coco", annotated(segmentation=[[1, 1, 10**12, 1, 5, 5]]), COCO_FILE, "far outside"),
}
"""What claims more than memory should hold: data set, change, where, what is said."""

CASES = {
    # missing
    "no root": ("folder", lambda root: shutil.rmtree(root), "", "give the folder"),
    "empty root": (
        "folder",
        all_of(*map(without, ("images", "labels", "depth", "dataset.toml"))),
        "dataset.toml",
        "is missing",
    ),
    "no dataset.toml": ("folder", without("dataset.toml"), "dataset.toml", "write one"),
    "no images": ("folder", without("images"), "images", "check the folder"),
    "no labels at all": ("folder", all_of(without("labels"), without("depth")), "", "neither labels/ nor depth/"),
    "no folders of CamVid": ("camvid", without("val"), "", "expected the folders val/images"),
    "no images of Cityscapes": (
        "cityscapes",
        without("leftImg8bit"),
        "leftImg8bit/val",
        "unpack leftImg8bit_trainvaltest.zip",
    ),
    "no labels of Cityscapes": ("cityscapes", without("gtFine"), "gtFine/val", "unpack gtFine_trainvaltest.zip"),
    "no images of KITTI": ("kitti", without("training/image_2"), "training/image_2", "unpack data_semantics.zip"),
    "no labels of KITTI": ("kitti", without("training/semantic"), "training/semantic", "unpack data_semantics.zip"),
    "no list of KITTI": ("kitti-raw", without("splits"), "splits/train.txt", "write lines such as"),
    "no calibration": ("kitti-raw", without("2011_09_26/calib_cam_to_cam.txt"), "calib_cam_to_cam.txt", "copy KITTI's"),
    "no annotations": ("coco", without("annotations"), "", "unpack val2017.zip and annotations_trainval2017.zip"),
    "no images of COCO": ("coco", without("val2017"), "", "none of the folders val2017"),
    "no image that COCO lists": (
        "coco",
        without("val2017/000000000139.jpg"),
        "val2017/000000000139.jpg",
        "copy the images",
    ),
    "no VOC": ("voc", without("VOCdevkit"), "ImageSets/Segmentation/val.txt", "unpack VOCtrainval"),
    "no list of VOC": ("voc", without(VOC_LIST), VOC_LIST, "unpack VOCtrainval"),
    "no labels of ADE20K": ("ade20k", without(f"{ADE}/annotations"), f"{ADE}/annotations/validation", "unpack"),
    "no night": ("acdc", without("rgb_anon/night"), "rgb_anon/night/val", "unpack rgb_anon_trainvaltest.zip"),
    "no labels of BDD100K": ("bdd100k", without(BDD_LABELS), BDD_LABELS, "unpack"),
    "no config of Mapillary": ("mapillary", without("config.json"), "", "unpack the archive"),
    "no config of v2.0": ("mapillary-v2", without("config_v2.0.json"), "", "unpack the archive"),
    "no labels of v2.0": ("mapillary-v2", without("validation/v2.0"), "validation/v2.0/labels", "unpack the archive"),
    "nothing of NYU": ("nyuv2", without("NYUD_MT"), "", "put nyu_depth_v2_labeled.mat and splits.mat there"),
    "no labels of NYU": ("nyuv2", without("NYUD_MT/segmentation"), "NYUD_MT/segmentation", "unpack NYUD_MT.tgz"),
    "no scene of Virtual KITTI": (
        "vkitti2",
        without("rgb/Scene20"),
        "Scene20/clone/frames/rgb/Camera_0",
        "unpack vkitti_2.0.3_rgb.tar",
    ),
    "no depth of some images": (
        "synthia",
        emptied("RAND_CITYSCAPES/Depth/Depth"),
        "Depth/Depth",
        "unpack SYNTHIA_RAND",
    ),
    "no sequence": ("synthia-sf", without("SYNTHIA-SF/SEQ3"), "SYNTHIA-SF/SEQ3/GTLeft", "unpack SYNTHIA-SF.zip"),
    "no carla.toml": ("carla", without("carla.toml"), "carla.toml", 'such as version = "0.9.15"'),
    "no labels of CARLA": (
        "carla",
        all_of(without("semantic"), without("depth")),
        "",
        "put the frames of those cameras",
    ),
    # empty
    "images empty": ("folder", emptied("images"), "images", "holds no files of a known kind"),
    "labels empty": ("folder", emptied("labels"), "labels", "holds no files of a known kind"),
    "city empty": ("cityscapes", emptied("leftImg8bit/val/ulm"), "leftImg8bit/val", "holds no CITY/"),
    "list empty": ("kitti-raw", written("splits/train.txt", "\n\n"), "splits/train.txt", "names no frame"),
    "list of VOC empty": ("voc", written(VOC_LIST, ""), "val.txt", "lists nothing"),
    "label of 0 bytes": (
        "kitti",
        stored("training/semantic/000000_10.png", b""),
        "semantic/000000_10.png",
        "copy it again",
    ),
    "annotations of 0 bytes": ("coco", stored(COCO_FILE, b""), COCO_FILE, "is no JSON"),
    # names and pairs
    "image without a label": ("folder", of(picture, "images/b.png"), "images/b.png", "has no semantic labels"),
    "label without an image": ("folder", of(ids, "labels/b.png"), "labels/b.png", "add the image or remove the label"),
    "two images of one name": ("folder", of(picture, "images/a.bmp"), "images/a.png", "keep one of them"),
    "names do not match": (
        "camvid",
        renamed("val/labels/0016E5_07959.png", "val/labels/0016E5_07961.png"),
        "0016E5_07959.png",
        "add them or remove",
    ),
    "foreign image": (
        "cityscapes",
        renamed(CITY, "leftImg8bit/val/ulm/dog_leftImg8bit.png"),
        "dog_leftImg8bit.png",
        "name it CITY_SEQUENCE_FRAME",
    ),
    "one frame in two cities": (
        "cityscapes",
        of(picture, CITY.replace("/ulm/", "/bonn/")),
        "leftImg8bit/val/ulm/",
        "keep one",
    ),
    "no instances of an image": (
        "cityscapes",
        all_of(without("disparity"), without("camera"), bonn),
        "bonn_000001_000019_leftImg8bit.png",
        "has no instance labels",
    ),
    "name of a control character": (
        "folder",
        renamed("images/a.png", "images/a\nb\x1b[31m.png"),
        "images",
        "rename it",
    ),
    "name that is no Unicode": ("folder", not_unicode, "images", "rename it"),
    "list names what is not there": ("voc", written(VOC_LIST, "2007_000033\n2008_1\n"), "val.txt", "lists '2008_1'"),
    "line that is no frame": (
        "kitti-raw",
        written("splits/train.txt", "000000 l\n"),
        "splits/train.txt",
        "line 1 is '000000 l'",
    ),
    # sizes and values
    "label of another size": (
        "camvid",
        of(ids, "val/labels/0016E5_07959.png", 0, (12, 15)),
        "labels/0016E5_07959.png",
        "make both the same size",
    ),
    "image of another size than its calibration": (
        "kitti-raw",
        of(picture, f"{DRIVE}/image_02/data/0000000000.png", (5, 4)),
        "0000000000.png",
        "is 4x5",
    ),
    "instances of another size": (
        "cityscapes",
        of(miniatures.save, f"{FINE}_instanceIds.png", np.zeros((2, 3), np.uint16)),
        "instanceIds.png",
        "is 3x2",
    ),
    "unknown label id": (
        "ade20k",
        of(ids, f"{ADE}/annotations/validation/ADE_val_00000001.png", 151),
        "ADE_val_00000001.png",
        "holds label ids 151",
    ),
    "colours for ids": ("bdd100k", of(picture, BDD_LABEL), "7d06fefd-f7be05a6.png", "save the ids as 8-bit grey PNG"),
    "unknown instance id": (
        "cityscapes",
        of(counts, f"{FINE}_instanceIds.png", 60_001),
        "instanceIds.png",
        "an instance id of no label",
    ),
    "disparity of 8 bits": (
        "kitti",
        of(ids, "training/disp_occ_0/000000_10.png"),
        "disp_occ_0/000000_10.png",
        "16-bit grey",
    ),
    "scan cut off": ("kitti-raw", stored(SCAN, bytes(17)), "0000000000.bin", "has 17 bytes"),
    "class beyond the README": (
        "synthia",
        of(deep, "RAND_CITYSCAPES/GT/LABELS/0000000.png", 23),
        "LABELS/0000000.png",
        "copy the labels again",
    ),
    "labels of 8 bits": (
        "synthia",
        of(colour, "RAND_CITYSCAPES/GT/LABELS/0000000.png", (3, 0, 0)),
        "LABELS/0000000.png",
        "16",
    ),
    "class beyond SYNTHIA-SF": (
        "synthia-sf",
        of(colour, "SYNTHIA-SF/SEQ3/GTLeft/0000000.png", (99, 0, 0)),
        "0.png",
        "99",
    ),
    "colours converted": (
        "carla",
        of(colour, "semantic/000123.png", (128, 64, 128)),
        "000123.png",
        "without a ColorConverter",
    ),
    "colour of no class": (
        "vkitti2",
        of(colour, "classSegmentation/Scene20/clone/frames/classSegmentation/Camera_0/classgt_00000.png", (1, 2, 3)),
        "classgt_00000.png",
        "[1, 2, 3] that the palette lacks",
    ),
    "label beyond the 40": ("nyuv2", of(ids, "NYUD_MT/segmentation/0001.png", 41), "0001.png", "holds label ids 41"),
    "array of another size": (
        "nyuv2",
        lambda root: np.save(root / "NYUD_MT/depth/0001.npy", np.ones((3, 4), np.float32)),
        "depth/0001.npy",
        "is 4x3",
    ),
    # broken or wrong files
    "images that are texts": (
        "mapillary",
        stored("validation/images/a0ZL8g.jpg", b"<html>404</html>"),
        "a0ZL8g.jpg",
        "is not an image",
    ),
    "JSON cut off": ("coco", written(COCO_FILE, '{"images": [{'), COCO_FILE, "is no JSON"),
    "JSON nested too deep": ("coco", written(COCO_FILE, "[" * 100_000), COCO_FILE, "is no JSON"),
    "JSON of another kind": ("coco", written(COCO_FILE, {"labels": []}), COCO_FILE, "has no list 'images'"),
    "JSON that is not UTF-8": ("coco", stored(COCO_FILE, b"\xff\xfe{}"), COCO_FILE, "not text"),
    "image id in words": ("coco", annotated(image_id="139"), COCO_FILE, "image_id '139', which no image has"),
    "size in words": ("coco", listed(width="sixteen"), COCO_FILE, "width: must be int, not 'sixteen'"),
    "box outside": (
        "coco",
        annotated(bbox=[500, 1, 9, 9]),
        COCO_FILE,
        "annotation 5: bbox [500.0, 1.0, 9.0, 9.0] lies outside",
    ),
    "unknown category": ("coco", annotated(category_id=2), COCO_FILE, "category_id 2, which no category has"),
    "runs of another size": (
        "coco",
        annotated(segmentation={"size": [16, 12], "counts": [192]}),
        COCO_FILE,
        "the image is [12, 16]",
    ),
    "runs cut off": (
        "coco",
        annotated(segmentation={"size": [12, 16], "counts": "52"}),
        COCO_FILE,
        "not the 192 of a mask of 16x12",
    ),
    "image outside of the tree": (
        "coco",
        listed(file_name="../../etc/passwd"),
        COCO_FILE,
        "give names inside of the image folder",
    ),
    "camera of words": (
        "cityscapes",
        written("camera/val/ulm/ulm_000001_000019_camera.json", {"intrinsic": "wide"}),
        "camera.json",
        "copy Cityscapes'",
    ),
    "calibration of words": (
        "kitti",
        written("training/calib_cam_to_cam/000000.txt", "P_rect_02: a b"),
        "000000.txt",
        "copy KITTI's",
    ),
    "config of words": ("mapillary", written("config.json", {"labels": "many"}), "config.json", "copy the config"),
    "no TOML": ("folder", written("dataset.toml", "classes = ["), "dataset.toml", "not valid TOML"),
    "no classes": ("folder", config(depth_unit=1.0), "dataset.toml", "give classes ="),
    "unknown key": ("folder", config(classes='"cityscapes19"', pallete="[]"), "dataset.toml", "did you mean palette"),
    "unit in words": (
        "folder",
        config(classes='"cityscapes19"', depth_unit='"cm"'),
        "dataset.toml",
        "depth_unit: must be float",
    ),
    "unit beyond a float": (
        "folder",
        config(classes='"cityscapes19"', depth_unit=10**400),
        "dataset.toml",
        "depth_unit: must be float",
    ),
    "no unit": ("folder", config(classes='"cityscapes19"'), "dataset.toml", "give metres per count"),
    "version in words": ("carla", written("carla.toml", 'version = "latest"'), "carla.toml", "must be three numbers"),
    "field of view of 360": (
        "carla",
        written("carla.toml", 'version = "0.9.15"\nfov = 360'),
        "carla.toml",
        "from 1 to 179",
    ),
    # folders and links
    "file for a folder": ("cityscapes", a_file("gtFine/val"), "gtFine/val", "is no folder; unpack gtFine"),
    "file for the root": (
        "kitti",
        lambda root: (shutil.rmtree(root), root.write_text("")),
        "training/image_2",
        "unpack data_semantics.zip",
    ),
    "folder for a file": (
        "camvid",
        a_folder("val/labels/0016E5_07959.png"),
        "val/labels/0016E5_07959.png",
        "is a folder among files",
    ),
    "folder for a label": ("bdd100k", a_folder(BDD_LABEL), "7d06fefd-f7be05a6.png", "is no file"),
    "folder for annotations": ("coco", a_folder(COCO_FILE), "", "has no annotations of the split val"),
    "pipe for an image": (
        "bdd100k",
        all_of(without(BDD_IMAGE), lambda root: os.mkfifo(root / BDD_IMAGE)),
        "7d06fefd-f7be05a6.jpg",
        "is no file",
    ),
    "link to itself": (
        "folder",
        all_of(without("images/a.png"), link("images/a.png", "a.png")),
        "images/a.png",
        "Too many levels of symbolic links",
    ),
    "folder that links to itself": (
        "cityscapes",
        all_of(without("leftImg8bit/val"), link("leftImg8bit/val", "val")),
        "leftImg8bit/val",
        "is no folder; unpack leftImg8bit",
    ),
    "folders in a circle": ("folder", link("images/again", "../images"), "images/again", "is a folder among files"),
    "link to nothing": (
        "kitti",
        all_of(without("training/semantic/000000_10.png"), link("training/semantic/000000_10.png", "gone")),
        "semantic/000000_10.png",
        "No such file",
    ),
    "nested too deep": ("folder", of(picture, DEEP.format("")), "images/d", "is a folder among files"),
    "clips nested too deep": (
        "folder",
        all_of(
            config(classes='"cityscapes19"', depth_unit=1.0, group='"folder"'),
            *(moved(f"{part}/a.png", f"{part}/clip/a.png") for part in ("images", "labels", "depth")),
            of(picture, DEEP.format("clip/")),
        ),
        "images/clip/d",
        "keep clips one level deep",
    ),
    "folder without permission": ("kitti", locked("training/image_2"), "training/image_2", "Permission denied"),
}
"""What is wrong with a tree: data set, change, the path that the line names, what it says."""

SPLITS = {
    "misspelled": ("cityscapes", "vall", USAGE, "did you mean val"),
    "withheld": ("cityscapes", "test", USAGE, "use val"),
    "of another data set": ("camvid", "validation", USAGE, "val"),
    "none of KITTI": ("kitti", "val", USAGE, "use training"),
    "not unpacked": ("cityscapes", "train", INPUT, "leftImg8bit/train"),
    "without annotations": ("coco", "train", INPUT, "instances_train2017.json"),
    "not listed": ("kitti-raw", "eigen_zhou", INPUT, "splits/eigen_zhou.txt"),
    "of no condition": ("acdc", "dusk/val", USAGE, "known"),
    "of no weather": ("vkitti2", "val/hail", USAGE, "hail"),
    "of no sequence": ("synthia-sf", "SEQ7", USAGE, "SEQ7"),
    "of a recording without splits": ("carla", "town01", INPUT, "town01"),
}


@pytest.fixture
def tree(tmp_path):
    """A tree by name, changed."""

    def made(name: str, change: Change = lambda root: None) -> Path:
        root = tmp_path / "data"
        TREES[name](root)
        change(root)
        return root

    return made


@pytest.fixture
def refused(robustseg, tmp_path, monkeypatch):
    """Evaluate on a tree: its one line, and that there is no other."""
    monkeypatch.chdir(tmp_path)

    def run(name: str, root: Path, *options: str, code: int = INPUT) -> str:
        got, out, err = robustseg(
            "evaluate", "-m", "perceiver", "-d", f"{name}:{root}", "-a", "fgsm", "-e", "1", *options
        )
        assert got == code, err
        assert err.count("\n") == 1, err
        assert err.startswith("robustseg: ")
        assert err.rstrip("\n").isprintable()
        assert "Traceback" not in out + err
        assert not list(tmp_path.rglob("store.sqlite"))
        return err

    return run


@pytest.mark.parametrize("name", TREES)
def test_the_miniature_itself_is_sound(tree, name):
    data = DataSpec.parse(f"{name}:{tree(name)}").load()
    for sample in data:
        assert {key: label is not None for key, label in sample.labels.items()}
    assert len(data) == (4 if name == "acdc" else 1)


@pytest.mark.parametrize("case", CASES)
def test_one_line(tree, refused, case):
    name, change, where, what = CASES[case]
    if case == "folder without permission" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    root = tree(name, change)
    line = refused(name, root)
    assert str(root / where) in line or where in line
    assert what in line


@pytest.mark.parametrize("case", HUGE)
def test_memory_is_bounded(tree, refused, case):
    name, change, where, what = HUGE[case]
    root = tree(name, change)
    tracemalloc.start()
    try:
        line = refused(name, root)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert where in line
    assert what in line
    assert peak < 1 << 28


@pytest.mark.parametrize("case", SPLITS)
def test_wrong_split(tree, refused, case):
    name, split, code, what = SPLITS[case]
    assert what in refused(name, tree(name), "--split", split, code=code)
