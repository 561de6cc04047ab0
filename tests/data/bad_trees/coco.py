"""Bad trees of COCO."""

from __future__ import annotations

from tests.data.bad_trees.changes import Change, a_folder, without, written
from tests.data.miniatures import coco_table

COCO_FILE = "annotations/instances_val2017.json"


def annotated(**changes: object) -> Change:
    """The annotation is changed."""
    table = coco_table()
    return written(COCO_FILE, table | {"annotations": [table["annotations"][0] | changes]})


def listed(**changes: object) -> Change:
    """The image of the file is changed."""
    table = coco_table()
    return written(COCO_FILE, table | {"images": [table["images"][0] | changes]})


TABLES = {
    "coco": {
        "no annotations": (without("annotations"), "unpack val2017.zip and annotations_trainval2017.zip"),
        "no images": (without("val2017"), "none of the folders val2017"),
        "no image that COCO lists": (
            without("val2017/000000000139.jpg"),
            "val2017/000000000139.jpg",
            "copy the images",
        ),
        "annotations of 0 bytes": (written(COCO_FILE, b""), COCO_FILE, "is no JSON"),
        "JSON cut off": (written(COCO_FILE, '{"images": [{'), COCO_FILE, "is no JSON"),
        "JSON nested too deep": (written(COCO_FILE, "[" * 100_000), COCO_FILE, "is no JSON"),
        "JSON of another kind": (written(COCO_FILE, {"labels": []}), COCO_FILE, "has no list 'images'"),
        "JSON that is not UTF-8": (written(COCO_FILE, b"\xff\xfe{}"), COCO_FILE, "not text"),
        "image id in words": (annotated(image_id="139"), COCO_FILE, "image_id '139', which no image has"),
        "size in words": (listed(width="sixteen"), COCO_FILE, "width: must be int, not 'sixteen'"),
        "box outside": (
            annotated(bbox=[500, 1, 9, 9]),
            COCO_FILE,
            "annotation 5: bbox [500.0, 1.0, 9.0, 9.0] lies outside",
        ),
        "unknown category": (annotated(category_id=2), COCO_FILE, "category_id 2, which no category has"),
        "runs of another size": (
            annotated(segmentation={"size": [16, 12], "counts": [192]}),
            COCO_FILE,
            "the image is [12, 16]",
        ),
        "runs cut off": (
            annotated(segmentation={"size": [12, 16], "counts": "52"}),
            COCO_FILE,
            "not the 192 of a mask of 16x12",
        ),
        "image outside of the tree": (
            listed(file_name="../../etc/passwd"),
            COCO_FILE,
            "give names inside of the image folder",
        ),
        "folder for annotations": (a_folder(COCO_FILE), "has no annotations of the split val"),
    },
}
