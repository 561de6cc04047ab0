"""COCO's format: a miniature of the official tree, and of what tools export."""

import json
import pickle

import numpy as np
import pycocotools.coco
import pytest
import torch
from pycocotools import mask as coco_mask
from pycocotools.cocoeval import COCOeval

from robustbench_seg.data.coco.dataset import COCO
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.tasks.instances.detections import Detections
from robustbench_seg.tasks.instances.matching import boxes as matching_boxes
from robustbench_seg.tasks.instances.matching import match
from robustbench_seg.tasks.instances.precision import precision_values
from robustbench_seg.tasks.instances.truth import from_sample

HEIGHT, WIDTH = 24, 32
STREET, EMPTY, ROOM = "000000000139.jpg", "000000000285.jpg", "000000581781.jpg"
IDS = {STREET: 139, EMPTY: 285, ROOM: 581781}
CATEGORIES = [
    # Ids with gaps, as the official ones, not in order.
    {"supercategory": "vehicle", "id": 3, "name": "car"},
    {"supercategory": "person", "id": 1, "name": "person"},
    {"supercategory": "indoor", "id": 90, "name": "toothbrush"},
]


def crowd_mask():
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[2:20, 3:30] = 1
    mask[5:9, 10:14] = 0
    return np.asfortranarray(mask)


def counts(mask):
    """Uncompressed run lengths, by hand."""
    flat = [0, *mask.T.ravel().tolist()]
    edges = [i for i in range(1, len(flat)) if flat[i] != flat[i - 1]]
    return np.diff([1, *edges, len(flat)]).tolist()


def annotation(number, image, category, **more):
    standard = {
        "id": number,
        "image_id": IDS[image],
        "category_id": category,
        "iscrowd": 0,
        "area": 99.5,
        "bbox": [4.5, 3.25, 12.0, 10.5],
        "segmentation": [[4.5, 3.25, 16.5, 3.25, 16.5, 13.75, 4.5, 13.75]],
    }
    return standard | more


def table(*annotations):
    images = [{"id": IDS[name], "file_name": name, "width": WIDTH, "height": HEIGHT, "license": 3} for name in IDS]
    more = {"info": {"year": 2017}, "licenses": [{"id": 3, "name": "Attribution-NonCommercial-NoDerivs License"}]}
    return {**more, "images": images, "annotations": list(annotations), "categories": CATEGORIES}


def typical():
    """A triangle and a square as one instance, a compressed mask, and a crowd of uncompressed runs."""
    parts = [[2, 2, 12, 2, 2, 12], [16, 10, 28, 10, 28, 22, 16, 22]]
    compressed = coco_mask.encode(crowd_mask())
    compressed["counts"] = compressed["counts"].decode()
    crowd = {"size": [HEIGHT, WIDTH], "counts": counts(crowd_mask())}
    return table(
        annotation(900100, STREET, 3, segmentation=parts, bbox=[2, 2, 26, 20]),
        annotation(5, ROOM, 90, segmentation=compressed, bbox=[3, 2, 27, 18]),
        annotation(6, STREET, 1, segmentation=crowd, bbox=[3, 2, 27, 18], iscrowd=1),
        annotation(7, STREET, 1),
    )


@pytest.fixture
def make(tmp_path, save):
    """Write a tree, by default the official one."""

    def made(content, annotations="annotations/instances_val2017.json", images="val2017", names=tuple(IDS)):
        for name in names:
            save(tmp_path / images / name, np.full((HEIGHT, WIDTH, 3), 90))
        path = tmp_path / annotations
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path

    return made


@pytest.fixture
def official(make):
    (make(typical()) / "annotations" / "captions_val2017.json").write_text("{}")
    (make(typical()) / "annotations" / "person_keypoints_val2017.json").write_text("{}")
    return make(typical())


def test_the_official_tree(official):
    data = DataSpec.parse(f"coco:{official}").load()
    assert isinstance(data, COCO)
    assert (data.name, data.tasks, data.classes.name) == ("coco", ("detection", "instance"), "coco")
    assert data.classes.names == ("person", "car", "toothbrush")
    assert list(data.ids) == list(data.groups) == [STREET, EMPTY, ROOM]
    assert "Lin et al." in data.terms
    assert data.split == "val"
    assert data.sources() == {"image": "3 .jpg in val2017", "instances": "1 .json in annotations"}
    sample = pickle.loads(pickle.dumps(data[0]))
    assert sample.id == STREET
    assert sample.image.shape == (HEIGHT, WIDTH, 3)
    assert list(sample.labels) == ["instances"]
    label = sample.labels["instances"]
    assert label["labels"].tolist() == [1, 0, 0]
    assert label["crowd"].tolist() == [False, True, False]
    assert label["boxes"].tolist() == [[2, 2, 28, 22], [3, 2, 30, 20], [4.5, 3.25, 16.5, 13.75]]
    assert label["depth"].tolist() == [0, 0, 0]
    assert from_sample(label).ignored.tolist() == [False, True, False]


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_masks_are_pycocotools(official):
    """Its own reading of the file is the reference: `annToMask` of every annotation."""
    reference = pycocotools.coco.COCO(official / "annotations" / "instances_val2017.json")
    compared = 0
    for sample in COCO(official):
        expected = reference.imgToAnns[IDS[sample.id]]
        masks = sample.labels["instances"]["masks"]
        assert masks.shape == (len(expected), HEIGHT, WIDTH)
        for mask, known in zip(masks, expected, strict=True):
            assert np.array_equal(mask, reference.annToMask(known))
            compared += 1
    assert compared == 4


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_small_objects_count_as_in_cocos_evaluation(make):
    """Of a square of 6 pixels and a large one only the large one is found: recall is a half."""
    small, large = [20, 4, 6, 6], [2, 2, 12, 18]
    boxes = [annotation(number, ROOM, 1, bbox=box, area=box[2] * box[3]) for number, box in ((1, small), (2, large))]
    root = make(table(*boxes))
    found = {"image_id": IDS[ROOM], "category_id": 1, "bbox": large, "score": 0.9}
    reference = pycocotools.coco.COCO(root / "annotations" / "instances_val2017.json")
    evaluation = COCOeval(reference, reference.loadRes([found]), "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    truth = from_sample(COCO(root)[2].labels["instances"])
    one = [torch.tensor(part) for part in ([[2.0, 2.0, 14.0, 20.0]], [0.9], [0])]
    statistics = match(Detections(*one, None), truth, 3, matching_boxes)
    assert statistics["truth"].tolist() == [2, 0, 0]
    precision = precision_values([statistics], np.ones((1, 1)), np.array([True, False, False])).overall["ap"]
    assert precision == pytest.approx(evaluation.stats[0])


def test_an_image_without_annotations_is_a_sample_without_instances(official):
    label = COCO(official)[1].labels["instances"]
    shapes = {"boxes": (0, 4), "labels": (0,), "masks": (0, HEIGHT, WIDTH), "depth": (0,), "crowd": (0,)}
    assert {name: value.shape for name, value in label.items()} == shapes


@pytest.mark.parametrize(
    ("annotations", "images", "split"),
    [
        ("annotations/instances_train2017.json", "train2017", "train"),
        ("annotations/instances_val2014.json", "val2014", "val2014"),
        ("annotations/instances_default.json", "images", "default"),
        ("annotations/instances_val.json", "val", "val"),
        ("annotations.json", "images", "val"),
    ],
)
def test_other_trees(make, annotations, images, split):
    assert list(COCO(make(typical(), annotations, images), split).ids) == [STREET, EMPTY, ROOM]


def test_images_that_the_file_does_not_list_are_no_samples(make, save):
    root = make(typical())
    before = COCO(root).fingerprint()
    save(root / "val2017" / "other.jpg", np.zeros((2, 2, 3)))
    assert len(COCO(root)) == 3
    assert COCO(root).fingerprint() == before


def test_the_annotations_are_part_of_the_fingerprint(official, make):
    before = COCO(official).fingerprint()
    assert COCO(make(table(annotation(1, ROOM, 1)))).fingerprint() != before


def test_boxes_alone_are_detection(make):
    without = annotation(1, ROOM, 1, bbox=[2, 3, 10, 8], segmentation=[])
    del (bare := annotation(2, ROOM, 3, bbox=[20, 4, 30, 8]))["segmentation"]
    data = COCO(make(table(without, bare)))
    assert data.tasks == ("detection",)
    label = data[2].labels["instances"]
    assert label["boxes"].tolist() == [[2, 3, 12, 11], [20, 4, 32, 12]], "cut off at the image's border"
    assert [mask.sum() for mask in label["masks"]] == [80, 96]
    assert label["masks"][0, 3:11, 2:12].all()


def test_what_lies_slightly_outside_is_cut_off(make):
    polygon = [-1.5, -1, 40, -1, 40, 30, -1.5, 30]
    label = COCO(make(table(annotation(1, ROOM, 1, bbox=[-1.5, -1, 41.5, 31], segmentation=[polygon]))))[2].labels
    assert label["instances"]["boxes"].tolist() == [[0, 0, WIDTH, HEIGHT]]
    assert label["instances"]["masks"].all()


def wrong(make, content, *parts, **more):
    root = make(content, **more)
    with pytest.raises(InputError) as caught:
        [sample.labels["instances"] for sample in COCO(root)]
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(root))
    for part in parts:
        assert part in message, message


WRONG_ANNOTATIONS = {
    "no bbox": ({"bbox": None}, "bbox: must be a list"),
    "three numbers": ({"bbox": [1, 2, 3]}, "bbox: must have 4 entries"),
    "text": ({"bbox": [1, 2, "wide", 4]}, "bbox[2]: must be float"),
    "negative width": ({"bbox": [1, 2, -3, 4]}, "no box of finite sides"),
    "not finite": ({"bbox": [1, 2, float("nan"), 4]}, "no box of finite sides"),
    "beyond a float": ({"bbox": [1, 2, 10**400, 4]}, "bbox[2]: must be float"),
    "outside": ({"bbox": [400, 2, 30, 4]}, "lies outside of the image of 32x24"),
    "unknown category": ({"category_id": 2}, "category_id 2, which no category has"),
    "category by name": ({"category_id": "car"}, "category_id: must be int"),
    "crowd of two": ({"iscrowd": 2}, "iscrowd: must be one of 0, 1"),
    "crowd in words": ({"iscrowd": True}, "iscrowd: must be one of 0, 1"),
    "odd polygon": ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "a polygon of 7 numbers"),
    "two points": ({"segmentation": [[1, 2, 3, 4]]}, "a polygon of 4 numbers"),
    "polygon far outside": ({"segmentation": [[1, 2, 1e9, 4, 5, 6]]}, "far outside of the image"),
    "polygon of no numbers": ({"segmentation": [[1, 2, float("inf"), 4, 5, 6]]}, "far outside of the image"),
    "flat polygon": ({"segmentation": [1, 2, 3, 4, 5, 6]}, "annotation 1: segmentation"),
    "mask in words": ({"segmentation": "all"}, "annotation 1: segmentation"),
    "mask of another size": ({"segmentation": {"size": [32, 24], "counts": [768]}}, "size (H,W) [32, 24], the image"),
    "runs too short": ({"segmentation": {"size": [24, 32], "counts": [3, 4]}}, "its runs are 7 pixels, not the 768"),
    "runs too long": ({"segmentation": {"size": [24, 32], "counts": [3, 10**12]}}, "pixels, not the 768"),
    "negative run": ({"segmentation": {"size": [24, 32], "counts": [3, -4, 769]}}, "a run is not a whole number"),
    "cut text": ({"segmentation": {"size": [24, 32], "counts": "1Y"}}, "cut off"),
    "text of nothing": ({"segmentation": {"size": [24, 32], "counts": "é"}}, "is no digit"),
    "no counts": ({"segmentation": {"size": [24, 32]}}, "missing key 'counts'"),
}


@pytest.mark.parametrize("case", WRONG_ANNOTATIONS)
def test_a_wrong_annotation(make, case):
    changes, part = WRONG_ANNOTATIONS[case]
    whole = annotation(2, ROOM, 1)
    wrong(make, table(whole, annotation(1, ROOM, 1) | changes), "instances_val2017.json: annotation 1", part)


def test_a_mask_is_missing_where_others_are_there(make):
    whole, without = annotation(2, ROOM, 1), annotation(1, ROOM, 1, segmentation=[])
    wrong(make, table(whole, without), "annotation 1: has no segmentation, as other annotations have")


def changed(**more):
    return table(annotation(1, ROOM, 1)) | more


def image(number, name, width=WIDTH, height=HEIGHT):
    return {"id": number, "file_name": name, "width": width, "height": height}


WRONG_FILES = {
    "empty": ("", "is no JSON"),
    "cut off": ('{"images": [', "is no JSON"),
    "nested too deep": ("[" * 200_000, "is no JSON"),
    "a number of too many digits": ('{"images": ' + "9" * 5000 + "}", "is no JSON"),
    "a list": ("[]", "has no list 'images'"),
    "no annotations": (json.dumps({"images": [image(1, ROOM)], "categories": CATEGORIES}), "no list 'annotations'"),
    "no images": (changed(images=[]), "has an empty list 'images'"),
    "no categories": (changed(categories=[]), "has an empty list 'categories'"),
    "image without a name": (changed(images=[{"id": 1, "width": 2, "height": 3}]), "missing key 'file_name'"),
    "image without a width": (changed(images=[image(1, ROOM, "32")]), "images[0]: width: must be int"),
    "image of a huge size": (changed(images=[image(581781, ROOM, 10**9)]), "images[0]: width: must be from 1"),
    "image of no size": (changed(images=[image(581781, ROOM, 0)]), "images[0]: width: must be from 1"),
    "image of another size": (changed(images=[image(581781, ROOM, 64)]), "is 32x24", "says 64x24"),
    "one image twice": (changed(images=[image(581781, ROOM), image(2, ROOM)]), f"has '{ROOM}' twice"),
    "one id twice": (changed(images=[image(581781, ROOM), image(581781, EMPTY)]), "has '581781' twice"),
    "image above the folder": (changed(images=[image(581781, "../a.jpg")]), "names an image '../a.jpg'"),
    "image elsewhere": (changed(images=[image(581781, "/etc/passwd")]), "names an image '/etc/passwd'"),
    "image of control characters": (changed(images=[image(581781, "a\nb\0.jpg")]), "names an image"),
    "image missing": (changed(images=[image(581781, "none.jpg")]), "none.jpg: is missing"),
    "one category twice": (changed(categories=[{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]), "has '1' twice"),
    "one name twice": (changed(categories=[{"id": 1, "name": "a"}, {"id": 2, "name": "A"}]), "lists class 'A' twice"),
    "no name": (changed(categories=[{"id": 1, "name": " "}]), "lists a class without a name"),
    "too many": (changed(categories=[{"id": i, "name": str(i)} for i in range(300)]), "lists 300 classes"),
    "annotation of no image": (changed(annotations=[annotation(1, ROOM, 1, image_id=4)]), "image_id 4, which no"),
    "annotation in a list": (changed(annotations=[[1]]), "annotations[0] is no table"),
    "annotation of a list": (changed(annotations=[annotation(1, ROOM, 1, image_id=[1])]), "image_id [1], which no"),
}


@pytest.mark.parametrize("case", WRONG_FILES)
def test_a_wrong_file(make, case):
    content, *parts = WRONG_FILES[case]
    wrong(make, content, *parts)


def test_no_such_split(official):
    with pytest.raises(InputError, match=r"of the split train: .*\(there: annotations/instances_val2017"):
        COCO(official, "train")


def test_annotations_without_a_folder_of_images(make):
    wrong(make, typical(), "none of the folders val2017", images="val")


def test_a_root_without_anything(tmp_path):
    with pytest.raises(InputError, match=r"annotations\.json \(there: none"):
        COCO(tmp_path)


def test_masks_beyond_the_memory_are_refused(official, monkeypatch):
    monkeypatch.setattr("robustbench_seg.data.instances.MAX_MASK_PIXELS", 3 * HEIGHT * WIDTH - 1)
    with pytest.raises(InputError, match=r"instances_val2017.json: has 3 instances in an image of 32x24"):
        COCO(official)[0].labels["instances"]
