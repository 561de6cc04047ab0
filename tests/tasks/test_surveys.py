"""What is counted of labels, against counts by hand."""

import numpy as np
import pytest

from robustbench_seg.tasks.surveys import (
    ClassCount,
    ClassSurvey,
    InstanceSurvey,
    RangeSurvey,
    Survey,
    VectorSurvey,
    percent,
)


def added(survey, *labels):
    for name, label in zip("abcdef", labels, strict=False):
        survey.add(name, label)
    return survey


def test_classes():
    first = np.array([[0, 0, 1], [255, 0, 0]], np.uint8)
    survey = added(ClassSurvey(("road", "sky", "car")), first, np.full((2, 3), 255, np.uint8))
    assert survey.classes == [ClassCount("road", 4, 1), ClassCount("sky", 1, 1), ClassCount("car", 0, 0)]
    assert survey.summary == "2 of 3 classes, 58.3 % void"
    assert survey.numbers == {"void": 7 / 12}
    assert survey.notes == ["b has no label at all", "never seen: car", "fewer than 10 pixels in all: road, sky"]
    assert survey.facts() == {
        "void": 7 / 12,
        "images_without": ["b"],
        "unit": "pixels",
        "classes": [
            {"name": "road", "elements": 4, "images": 1},
            {"name": "sky", "elements": 1, "images": 1},
            {"name": "car", "elements": 0, "images": 0},
        ],
    }


def test_ids_that_are_no_class():
    survey = added(ClassSurvey(("road",)), np.array([[0] * 10 + [3, 200, 255]]))
    assert survey.notes == ["ids 3, 200 are neither a class nor void (255)"]


def test_sound_labels_have_no_note():
    assert added(ClassSurvey(("road", "sky")), np.repeat([[0, 1]], 10, 0)).notes == []


def test_range():
    first = np.array([[0, 2, 4], [6, 0, 90]], np.float32)
    survey = added(RangeSurvey(1, 80, "m"), first, np.zeros((2, 3)), np.full((2, 3), 10.0))
    assert survey.numbers == {"known": 10 / 18, "minimum": 2, "maximum": 90, "median": 7.5}
    assert survey.summary == "2 to 90 m, median 7.5 m, known at 55.6 % of the pixels"
    assert survey.notes == ["b has no label at all"]


def test_range_in_another_unit():
    survey = added(RangeSurvey(1e-3, 80, "m"), np.array([[2000.0, 15000.0, 7.0]]))
    assert survey.summary == "7 to 15000 m, median 2000 m, known at 100.0 % of the pixels"
    assert survey.notes == ["66.7 % of the values lie outside 0.001 to 80 m and do not count; is the unit right?"]


def test_range_of_nothing():
    survey = added(RangeSurvey(1, 80, "m"), np.zeros((2, 2)), np.zeros((2, 2)))
    assert survey.summary == "no pixel has a value"
    assert survey.numbers == {"known": 0.0}
    assert survey.notes == ["2 images have (a, b) no label at all"]


def test_vectors():
    vectors = np.zeros((3, 2, 2))
    vectors[2, 0] = -1
    survey = added(VectorSurvey(), vectors)
    assert survey.summary == "known at 50.0 % of the pixels"
    assert survey.notes == []


def test_instances():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 1, 3], [0, 0, 5, 5]], np.float32)
    boxes = np.concatenate([boxes, boxes])
    none = {"labels": np.zeros(0, np.int64), "boxes": np.zeros((0, 4), np.float32)}
    crowds = np.arange(6) >= 3
    some = {"labels": np.array([1, 1, 255, 0, 0, 0]), "boxes": boxes, "crowd": crowds}
    survey = added(InstanceSurvey(("person", "car")), some, none)
    assert survey.classes == [ClassCount("car", 2, 1)]
    assert survey.summary == "2 instances, 1.0 in an image, of 1 of 2 classes"
    assert survey.notes == ["b has no label at all", "1 of the boxes have no area"]


def test_crowds_alone():
    boxes = np.array([[0, 0, 2, 2]], np.float32)
    one, crowd = ({"labels": np.zeros(1, np.int64), "boxes": boxes, "crowd": np.array([is_one])} for is_one in (0, 1))
    survey = added(InstanceSurvey(("person", "car")), one, crowd)
    assert survey.summary == "1 instance, 0.5 in an image, of 1 of 2 classes"
    assert survey.notes == ["images with no instance but crowds: 1"]


def test_a_task_of_a_plugin_counts_images():
    survey = added(Survey(), object(), object())
    assert (survey.images, survey.summary, survey.classes, survey.notes) == (2, "2 labels", (), [])


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0.0 %"), (1e-9, "< 0.1 %"), (0.5, "50.0 %"), (0.99951, "> 99.9 %"), (1, "100.0 %")],
)
def test_percent(share, text):
    assert percent(share) == text
