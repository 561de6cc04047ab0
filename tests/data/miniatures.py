"""The official tree of every data set in miniature: an image or a few that can be read, and their labels."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 12, 16
SIZE = (HEIGHT, WIDTH)
CITY = "leftImg8bit/val/ulm/ulm_000001_000019_leftImg8bit.png"
FINE = "gtFine/val/ulm/ulm_000001_000019_gtFine"
RIG = {"extrinsic": {"baseline": 0.2}, "intrinsic": {"fx": 2000.0, "fy": 2000.0, "u0": 9.0, "v0": 7.0}}
LEFT, RIGHT = "7 0 8 0 0 7 6 0 0 0 1 0", "7 0 8 -4 0 7 6 0 0 0 1 0"
CLASSES = 'classes = ["road", "sky", "car"]\n'
DRIVE = "2011_09_26/2011_09_26_drive_0022_sync"


def picture(path: Path, size: tuple[int, int] = SIZE) -> None:
    """An image of colour."""
    save(path, np.full((*size, 3), 90, np.uint8))


def ids(path: Path, value: int = 0, size: tuple[int, int] = SIZE) -> None:
    """A label file of one id."""
    save(path, np.full(size, value, np.uint8))


def counts(path: Path, value: int = 1000) -> None:
    """A file of 16-bit counts."""
    save(path, np.full(SIZE, value, np.uint16))


def save(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


def png(width: int, height: int, pixels: bytes, bits: int = 8) -> bytes:
    """The bytes of an RGB PNG of these header and rows, whether or not they fit."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(pixels)),
        (b"IEND", b""),
    ]
    whole = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        whole += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return whole


def deep(path: Path, first: int) -> None:
    """A 16-bit RGB PNG whose first channel has one value, which Pillow cannot write."""
    row = b"\0" + struct.pack(">HHH", first, 0, 0) * WIDTH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png(WIDTH, HEIGHT, row * HEIGHT, 16))


def colour(path: Path, value: tuple[int, int, int]) -> None:
    """An image of one colour."""
    save(path, np.full((*SIZE, 3), value, np.uint8))


def file(path: Path, content: object) -> None:
    """A file of text or bytes, of JSON where it is neither."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def folder(root: Path) -> None:
    file(root / "dataset.toml", CLASSES)
    for name in "ab":
        picture(root / "images" / f"{name}.png")
        ids(root / "labels" / f"{name}.png")


def camvid(root: Path) -> None:
    picture(root / "val" / "images" / "0016E5_07959.png")
    ids(root / "val" / "labels" / "0016E5_07959.png")


def cityscapes(root: Path) -> None:
    picture(root / CITY)
    ids(root / f"{FINE}_labelIds.png", 7)
    counts(root / f"{FINE}_instanceIds.png", 26_001)
    counts(root / "disparity/val/ulm/ulm_000001_000019_disparity.png")
    file(root / "camera/val/ulm/ulm_000001_000019_camera.json", RIG)


def kitti(root: Path) -> None:
    base = root / "training"
    picture(base / "image_2" / "000000_10.png")
    ids(base / "semantic" / "000000_10.png", 7)
    counts(base / "disp_occ_0" / "000000_10.png")
    file(base / "calib_cam_to_cam" / "000000.txt", f"P_rect_02: {LEFT}\nP_rect_03: {RIGHT}\n")


def kitti_raw(root: Path) -> None:
    file(root / "splits" / "train.txt", f"{DRIVE} 0 l\n")
    picture(root / DRIVE / "image_02" / "data" / "0000000000.png")
    unit = "1 0 0 0 1 0 0 0 1"
    file(
        root / "2011_09_26" / "calib_cam_to_cam.txt",
        f"S_rect_02: {WIDTH} {HEIGHT}\nR_rect_00: {unit}\nP_rect_02: {LEFT}\n",
    )
    file(root / "2011_09_26" / "calib_velo_to_cam.txt", "R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n")
    scan = root / DRIVE / "velodyne_points" / "data" / "0000000000.bin"
    scan.parent.mkdir(parents=True)
    scan.write_bytes(np.array([[9, 0, 0, 1]], "<f4").tobytes())


def coco_table() -> dict[str, list[dict[str, object]]]:
    """An annotation file of one image with one person, in a square."""
    person = {"id": 5, "image_id": 139, "category_id": 1, "iscrowd": 0, "bbox": [1, 1, 10, 10]}
    return {
        "images": [{"id": 139, "file_name": "000000000139.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": [person | {"segmentation": [[1, 1, 11, 1, 11, 11, 1, 11]]}],
        "categories": [{"id": 1, "name": "person"}],
    }


def coco(root: Path) -> None:
    picture(root / "val2017" / "000000000139.jpg")
    file(root / "annotations" / "instances_val2017.json", coco_table())


def voc(root: Path) -> None:
    base = root / "VOCdevkit" / "VOC2012"
    file(base / "ImageSets" / "Segmentation" / "val.txt", "2007_000033\n")
    picture(base / "JPEGImages" / "2007_000033.jpg")
    ids(base / "SegmentationClass" / "2007_000033.png", 15)


def ade20k(root: Path) -> None:
    base = root / "ADEChallengeData2016"
    picture(base / "images" / "validation" / "ADE_val_00000001.jpg")
    ids(base / "annotations" / "validation" / "ADE_val_00000001.png", 7)


def acdc(root: Path) -> None:
    for condition in ("fog", "night", "rain", "snow"):
        name = f"val/GOPR0475/GOPR0475_{condition}_000041"
        picture(root / "rgb_anon" / condition / f"{name}_rgb_anon.png")
        ids(root / "gt" / condition / f"{name}_gt_labelTrainIds.png")


def bdd100k(root: Path) -> None:
    picture(root / "bdd100k/images/10k/val/7d06fefd-f7be05a6.jpg")
    ids(root / "bdd100k/labels/sem_seg/masks/val/7d06fefd-f7be05a6.png")


def mapillary(root: Path) -> None:
    names = {"Person": [220, 20, 60], "Road": [128, 64, 128]}
    labels = [{"readable": name, "name": name, "evaluate": True, "color": names[name]} for name in names]
    file(root / "config.json", {"labels": labels, "version": 1.1})
    picture(root / "validation" / "images" / "a0ZL8g.jpg")
    ids(root / "validation" / "labels" / "a0ZL8g.png")


def mapillary_v2(root: Path) -> None:
    mapillary(root)
    (root / "config.json").rename(root / "config_v2.0.json")
    (root / "validation" / "v2.0").mkdir()
    (root / "validation" / "labels").rename(root / "validation" / "v2.0" / "labels")


def nyuv2(root: Path) -> None:
    base = root / "NYUD_MT"
    file(base / "gt_sets" / "val.txt", "0001\n")
    picture(base / "images" / "0001.jpg")
    ids(base / "segmentation" / "0001.png", 1)
    (base / "depth").mkdir()
    np.save(base / "depth" / "0001.npy", np.full(SIZE, 2, np.float32))


def vkitti2(root: Path) -> None:
    frames = "Scene20/clone/frames"
    picture(root / "rgb" / frames / "rgb" / "Camera_0" / "rgb_00000.jpg")
    colour(root / "classSegmentation" / frames / "classSegmentation" / "Camera_0" / "classgt_00000.png", (100, 60, 100))
    counts(root / "depth" / frames / "depth" / "Camera_0" / "depth_00000.png")


def synthia(root: Path) -> None:
    base = root / "RAND_CITYSCAPES"
    picture(base / "RGB" / "0000000.png")
    deep(base / "GT" / "LABELS" / "0000000.png", 3)
    deep(base / "Depth" / "Depth" / "0000000.png", 1000)


def synthia_sf(root: Path) -> None:
    base = root / "SYNTHIA-SF" / "SEQ3"
    picture(base / "RGBLeft" / "0000000.png")
    colour(base / "GTLeft" / "0000000.png", (1, 0, 0))
    colour(base / "DepthLeft" / "0000000.png", (0, 9, 0))


def carla(root: Path) -> None:
    file(root / "carla.toml", 'version = "0.9.15"\nfov = 90\n')
    picture(root / "rgb" / "000123.png")
    colour(root / "semantic" / "000123.png", (1, 0, 0))
    colour(root / "depth" / "000123.png", (0, 9, 0))


TREES = {
    "folder": folder,
    "camvid": camvid,
    "cityscapes": cityscapes,
    "kitti": kitti,
    "kitti-raw": kitti_raw,
    "coco": coco,
    "voc": voc,
    "ade20k": ade20k,
    "acdc": acdc,
    "bdd100k": bdd100k,
    "mapillary": mapillary,
    "mapillary-v2": mapillary_v2,
    "nyuv2": nyuv2,
    "vkitti2": vkitti2,
    "synthia": synthia,
    "synthia-sf": synthia_sf,
    "carla": carla,
}
"""What writes the tree of a data set into an empty folder, by the data set's name."""
