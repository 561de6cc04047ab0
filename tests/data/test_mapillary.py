import json

import numpy as np
import pytest
from PIL import Image

from robustbench_seg.classes import MAPILLARY65
from robustbench_seg.data.mapillary import Mapillary, MapillaryV2, read_config
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import DataSpec

# Of the config of v2.0: the name, whether it is evaluated and its colour, each at its id.
LABELS_V2 = [
    ("animal--bird", "Bird", True, (165, 42, 42)),
    ("animal--ground-animal", "Ground Animal", True, (0, 192, 0)),
    ("construction--barrier--ambiguous", "Ambiguous Barrier", False, (250, 170, 31)),
    ("construction--barrier--concrete-block", "Concrete Block", True, (250, 170, 32)),
    ("construction--barrier--curb", "Curb", True, (196, 196, 196)),
]
# Ids of v1.2 (its last, 65, is unlabeled).
OFFICIAL = {0: "Bird", 2: "Curb", 13: "Road", 17: "Building", 19: "Person", 24: "Lane Marking - General", 27: "Sky"}
OFFICIAL |= {30: "Vegetation", 41: "Manhole", 45: "Pole", 50: "Traffic Sign (Front)", 55: "Car", 58: "On Rails"}
OFFICIAL |= {61: "Truck", 63: "Car Mount", 64: "Ego Vehicle"}
KEYS = ["-0C1J9CvgFP4BTVLXNeNZA", "_1Gn_xkw7sa_i9GU4mkxxQ"]


def config(rows, version):
    labels = [
        {"color": list(colour), "instances": False, "readable": readable, "name": name, "evaluate": evaluate}
        for name, readable, evaluate, colour in rows
    ]
    structure = "{split}/{content}/{key:.{22}}.{ext}"
    return json.dumps({"labels": labels, "version": version, "mapping": "public", "folder_structure": structure})


LABELS_V1 = [
    (f"v1--{name}", name, True, colour) for name, colour in zip(MAPILLARY65.names, MAPILLARY65.palette, strict=True)
]
LABELS_V1.append(("void--unlabeled", "Unlabeled", False, (0, 0, 0)))


def save_palette(path, ids):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(ids, np.uint8), "P")
    image.putpalette(list(range(256)) * 3)
    image.save(path)


def place(root, save, labels):
    """Images and labels of both splits; `labels` are ids by folder."""
    for split in ("training", "validation"):
        for key in KEYS:
            save(root / split / "images" / f"{key}.jpg", np.full((1, 66, 3), 90))
            for folder, ids in labels.items():
                save_palette(root / split / folder / "labels" / f"{key}.png", np.resize(ids, (1, 66)))
                save(root / split / folder / "instances" / f"{key}.png", np.zeros((1, 66)), np.uint16)
                save(root / split / folder / "panoptic" / f"{key}.png", np.zeros((1, 66, 3)))
    save(root / "testing" / "images" / "zzz.jpg", np.full((1, 66, 3), 90))
    return root


@pytest.fixture
def first(tmp_path, save):
    """The release of v1.2."""
    (tmp_path / "config.json").write_text(config(LABELS_V1, 1.1))
    return place(tmp_path, save, {"": range(66)})


@pytest.fixture
def second(tmp_path, save):
    """The release of v2.0, which holds both label sets."""
    (tmp_path / "config_v1.2.json").write_text(config(LABELS_V1, 1.1))
    (tmp_path / "config_v2.0.json").write_text(config(LABELS_V2, 2.0))
    return place(tmp_path, save, {"v1.2": range(66), "v2.0": range(5)})


def test_the_official_classes():
    assert len(MAPILLARY65) == 65
    assert {index: MAPILLARY65.names[index] for index in OFFICIAL} == OFFICIAL
    assert [MAPILLARY65.palette[index] for index in (13, 55, 64)] == [(128, 64, 128), (0, 0, 142), (120, 10, 10)]


@pytest.mark.parametrize("release", ["first", "second"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_the_labels_of_both_releases(request, release, split):
    data = Mapillary(request.getfixturevalue(release), split)
    assert list(data.ids) == list(data.groups) == KEYS
    assert (data.name, data.tasks, data.classes) == ("mapillary", ("semantic",), MAPILLARY65)
    assert data[0].labels["semantic"].ravel().tolist() == [*range(65), 255]


def test_what_is_not_evaluated_is_void_and_takes_no_id(second):
    data = MapillaryV2(second)
    assert data.name == "mapillary-v2"
    assert data.classes.name == "mapillary4"
    assert data.classes.names == ("Bird", "Ground Animal", "Concrete Block", "Curb")
    assert data.classes.palette[2] == (250, 170, 32)
    assert data[0].labels["semantic"][0, :5].tolist() == [0, 1, 255, 2, 3]


@pytest.mark.parametrize(("name", "cls"), [("mapillary", Mapillary), ("mapillary-v2", MapillaryV2)])
def test_registered(second, name, cls):
    assert type(DataSpec.parse(f"{name}:{second}").load()) is cls


def test_the_config_is_in_the_fingerprint(first):
    before = Mapillary(first).fingerprint()
    (first / "config.json").write_text(config(LABELS_V1, 1.2))
    assert Mapillary(first).fingerprint() != before


@pytest.mark.parametrize(
    ("split", "part"), [("test", "test are withheld; use val"), ("training", "did you mean train")]
)
def test_no_other_split(first, split, part):
    with pytest.raises(UsageError, match=part):
        Mapillary(first, split)


def test_another_tree(tmp_path, refuses):
    refuses(lambda: Mapillary(tmp_path), tmp_path, "holds no config_v1.2.json nor config.json; unpack the archive of")


def test_v2_of_the_first_release(first, refuses):
    refuses(lambda: MapillaryV2(first), first, "holds no config_v2.0.json")


def test_no_labels(first, refuses):
    (first / "validation" / "labels").rename(first / "elsewhere")
    refuses(lambda: Mapillary(first), first / "validation" / "labels", "is missing; unpack the archive of Mapillary")


def test_an_id_that_the_config_lacks(first, refuses):
    path = first / "validation" / "labels" / f"{KEYS[0]}.png"
    save_palette(path, np.full((1, 66), 66))
    refuses(lambda: Mapillary(first), path, "holds label ids 66")


BIRD = ("animal--bird", "Bird", True, (165, 42, 42))
BAD_CONFIGS = {
    "no JSON": ("{", "is no JSON"),
    "a list": ("[]", "is no config"),
    "other entries": ('{"labels": [1]}', "labels[0]: must be a table"),
    "deep": ("[" * 10**5, "is no JSON"),
    "no labels": ("{}", "is no config"),
    "a label without a name": (
        '{"labels": [{"evaluate": true, "color": [0, 0, 0]}]}',
        "labels[0]: missing key 'readable'",
    ),
    "a colour of text": (config([(*BIRD[:3], "red")], 1.2), "labels[0]: color"),
    "a large colour": (config([(*BIRD[:3], (300, 0, 0))], 1.2), "labels[0]: color[0]: must be from 0 to 255"),
    "a flag of text": (config([("a", "Bird", "yes", (0, 0, 0))], 1.2), "labels[0]: evaluate: must be bool"),
    "nothing evaluated": (config([("a", "Bird", False, (0, 0, 0))], 1.2), "evaluates no label"),
    "two of one name": (config([BIRD, BIRD], 1.2), "gives two labels one name"),
    "too many": (config([(f"{i}", f"{i}", True, (0, 0, 0)) for i in range(256)], 1.2), "has 256 labels, at most 255"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_bad_config(first, refuses, case):
    text, part = BAD_CONFIGS[case]
    (first / "config.json").write_text(text)
    refuses(lambda: Mapillary(first), first / "config.json", part)


def test_all_ids_of_a_config(first):
    classes, ids = read_config(first / "config.json")
    assert classes.palette == MAPILLARY65.palette
    assert ids == {index: index for index in range(65)} | {65: 255}
