import numpy as np
import pytest

from robustbench_seg.classes import (
    ADE20K150,
    CAMVID11,
    CITYSCAPES19,
    CLASS_SETS,
    MAPILLARY65,
    VOC21,
    VOID,
    Alignment,
    ClassSet,
    align,
    canonical,
)
from robustbench_seg.errors import UsageError


def made(name, *names, **maps):
    return ClassSet(name, names, tuple((i, 0, 0) for i in range(len(names))), maps)


def renumbered(alignment: Alignment, classes: ClassSet) -> dict[str, str | None]:
    """What a data set's classes are called after alignment; None where their pixels are void."""
    ids = [int(alignment.label_map[i]) for i in range(len(classes))]
    return {name: None if i == VOID else alignment.classes.names[i] for name, i in zip(classes.names, ids, strict=True)}


def merged(alignment: Alignment, model: ClassSet) -> dict[str, set[str]]:
    members = zip(alignment.classes.names, alignment.logit_members, strict=True)
    return {name: {model.names[i] for i in group} for name, group in members}


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Pedestrian", "person"),
        ("column_pole", "pole"),
        (" Traffic-Light ", "traffic light"),
        ("sign symbol", "traffic sign"),
        ("tree", "vegetation"),
        ("gravel", "gravel"),
    ],
)
def test_canonical(name, plain):
    assert canonical(name) == plain


def test_find():
    assert CAMVID11.find("person") == CAMVID11.names.index("pedestrian")
    assert CAMVID11.find("Sidewalk") == CAMVID11.names.index("pavement")
    assert CAMVID11.find("train") is None


def test_find_prefers_the_exact_name_to_an_alias():
    both = made("both", "rider", "cyclist")
    assert [both.find(name) for name in both.names] == [0, 1]


def test_a_set_checks_its_size():
    with pytest.raises(ValueError, match="1 colours for 2 classes in two"):
        ClassSet("two", ("a", "b"), ((0, 0, 0),))
    with pytest.raises(ValueError, match="256 classes in many"):
        made("many", *(f"c{i}" for i in range(256)))


@pytest.mark.parametrize("classes", [CAMVID11, CITYSCAPES19, made("aliases", "rider", "cyclist", "person")])
def test_identity(classes):
    alignment = align(classes, classes)
    assert alignment.keeps(alignment.channels)
    assert alignment.classes == classes
    assert alignment.missing == ()
    count = len(classes)
    np.testing.assert_array_equal(alignment.label_map[:count], range(count))
    assert (alignment.label_map[count:] == VOID).all()
    assert alignment.label_map.dtype == np.uint8


def test_alias_permutation():
    model = made("mine", "person", "road", "pavement")
    data = made("theirs", "Road", "sidewalk", "pedestrian")
    alignment = align(model, data)
    assert alignment.logit_members == ((1,), (2,), (0,))
    assert alignment.label_map[:4].tolist() == [0, 1, 2, VOID]
    assert not alignment.keeps(alignment.channels)
    assert alignment.classes == data


README = {
    "road": 3, "sidewalk": 4, "building": 1, "wall": 1, "fence": 7, "pole": 2, "traffic light": 6, "traffic sign": 6,
    "vegetation": 5, "terrain": 5, "sky": 0, "person": 9, "rider": 10, "motorcycle": 10, "bicycle": 10,
    "car": 8, "truck": 8, "bus": 8, "train": 8,
}  # fmt: skip


def test_nineteen_classes_on_eleven():
    alignment = align(CITYSCAPES19, CAMVID11)
    found = {CITYSCAPES19.names[i]: index for index, group in enumerate(alignment.logit_members) for i in group}
    assert found == README
    assert alignment.classes == CAMVID11
    assert alignment.missing == ()
    assert not alignment.keeps(alignment.channels)
    assert alignment.label_map[:12].tolist() == [*range(11), VOID]
    assert alignment.channels == 19


def test_eleven_classes_on_nineteen():
    alignment = align(CAMVID11, CITYSCAPES19)
    assert alignment.keeps(alignment.channels)
    assert alignment.classes == CAMVID11
    assert alignment.missing == ()
    by_name = {CITYSCAPES19.names[i]: int(alignment.label_map[i]) for i in range(19)}
    assert by_name == README
    assert (alignment.label_map[19:] == VOID).all()


HRDA = {13: 0, 24: 0, 41: 0, 2: 1, 15: 1, 17: 2, 6: 3, 3: 4, 45: 5, 47: 5, 48: 6, 50: 7, 30: 8, 29: 9, 27: 10, 19: 11}
HRDA |= {20: 12, 21: 12, 22: 12, 55: 13, 61: 14, 54: 15, 58: 16, 57: 17, 52: 18}
"""The ids of Mapillary Vistas v1.2 and the train ids of Cityscapes that HRDA's converter gives them."""


def test_nineteen_classes_on_mapillary():
    alignment = align(CITYSCAPES19, MAPILLARY65)
    assert alignment.keeps(alignment.channels)
    assert alignment.classes == CITYSCAPES19
    assert alignment.label_map.tolist() == [HRDA.get(index, VOID) for index in range(256)]
    assert len(alignment.missing) == 65 - len(HRDA)


def test_mapillary_on_nineteen_classes():
    alignment = align(MAPILLARY65, CITYSCAPES19)
    assert alignment.classes == CITYSCAPES19
    assert {channel: index for index, group in enumerate(alignment.logit_members) for channel in group} == HRDA
    assert alignment.missing == ()


@pytest.mark.parametrize(
    ("data", "shared"),
    [
        (VOC21, {"bicycle", "bus", "car", "motorbike", "person", "train"}),
        (
            ADE20K150,
            {"wall", "building", "sky", "tree", "road", "sidewalk", "person", "car", "fence", "bus", "truck", "pole"}
            | {"bicycle", "traffic light"},
        ),
    ],
)
def test_nineteen_classes_on_what_names_some_of_them(data, shared):
    alignment = align(CITYSCAPES19, data)
    assert set(alignment.classes.names) == shared
    assert set(alignment.missing) == set(data.names) - shared
    for index, name in enumerate(data.names):
        mapped = alignment.label_map[index]
        assert (mapped == VOID) == (name not in shared)
        assert name not in shared or alignment.classes.names[mapped] == name


@pytest.mark.parametrize("classes", CLASS_SETS.values(), ids=CLASS_SETS)
def test_declared_maps_name_classes_that_there_are(classes):
    for other, names in classes.maps.items():
        assert all(CLASS_SETS[other].find(there) is not None for there in names)
        assert all(classes.find(here) is not None for here in names.values())


def test_classes_the_model_lacks_are_void():
    data = made("data", "sky", "road", "car")
    alignment = align(made("model", "car", "sky"), data)
    assert alignment.missing == ("road",)
    assert alignment.classes.names == ("sky", "car")
    assert alignment.classes.palette == ((0, 0, 0), (2, 0, 0))
    assert renumbered(alignment, data) == {"sky": "sky", "road": None, "car": "car"}
    assert alignment.logit_members == ((1,), (0,))


def test_channels_left_over_are_not_an_identity():
    alignment = align(made("model", "sky", "road", "boat"), made("data", "sky", "road"))
    assert alignment.logit_members == ((0,), (1,))
    assert not alignment.keeps(alignment.channels)


def test_a_declared_map_goes_before_equal_names():
    model = made("model", "road", "wall")
    data = made("data", "road", "wall", model={"road": "wall", "wall": "wall"})
    alignment = align(model, data)
    assert merged(alignment, model) == {"wall": {"road", "wall"}}
    assert alignment.missing == ("road",)


def test_aliases_count_in_declared_maps():
    model = made("model", "person", "road", data={"bicyclist": "pedestrian", "street": "road"})
    data = made("data", "rider", "street", "sky")
    alignment = align(model, data)
    assert renumbered(alignment, data) == {"rider": "person", "street": "road", "sky": None}
    assert alignment.missing == ("sky",)
    back = align(data, made("model", "person", "road", data={"bicyclist": "pedestrian", "street": "road"}))
    assert back.logit_members == ((0,), (1,))


def test_a_channel_is_merged_once():
    model = made("model", "rider")
    data = made("data", "cyclist", model={"rider": "cyclist", "bicyclist": "cyclist"})
    assert align(model, data).logit_members == ((0,),)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (made("moon", "crater"), CAMVID11),
        (made("moon", "crater"), made("sea", "wave", moon={"dune": "wave"})),
        (made("moon", "crater", sea={"wave": "dune"}), made("sea", "wave")),
        (CAMVID11, made("nothing")),
    ],
)
def test_no_overlap(model, data):
    with pytest.raises(UsageError) as caught:
        align(model, data)
    message = str(caught.value)
    assert f"({model.name})" in message
    assert f"({data.name})" in message
    assert "[maps." in message
    assert "\n" not in message
