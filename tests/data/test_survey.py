"""A look at data sets before any model."""

import numpy as np
import pytest

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.data.survey import survey
from robustbench_seg.errors import InputError

RNG = np.random.default_rng(0)


class Made(Dataset):
    """Images (H,W,3) given by id, or the exception that reading one raises; labels are all class 0."""

    name = "made"
    classes = CITYSCAPES19
    tasks = ("semantic",)

    def __init__(self, images):
        self.ids = self.groups = list(images)
        self._images = list(images.values())

    def __getitem__(self, index):
        image = self._images[index]
        if isinstance(image, Exception):
            raise image
        return Sample(self.ids[index], image, {"semantic": np.zeros(image.shape[:2], np.uint8)} if image.any() else {})

    def fingerprint(self):
        return ""


def noise(height, width):
    return RNG.integers(1, 256, (height, width, 3), np.uint8)


def test_what_was_seen():
    first = noise(4, 6)
    images = {"a": first, "b": noise(5, 5), "c": first.copy(), "d": np.full((4, 6, 3), 9, np.uint8)}
    found = survey(Made(images))
    assert found.sizes == {(4, 6): 3, (5, 5): 1}
    assert (found.readable, found.unreadable) == ([0, 1, 2, 3], {})
    assert (found.plain, found.twins) == (["d"], {"c": "a"})
    assert found.notes[:2] == ["images of a single colour: d", "images that are the same: c = a"]
    assert found.labels["semantic"].classes[0].elements == 3 * 24 + 25


def test_the_rest_goes_on_where_an_image_cannot_be_read():
    steps = []
    bad = {"a": InputError("a: is broken; mend it"), "b": noise(4, 6), "c": KeyError("key"), "d": np.zeros((4, 6, 3))}
    found = survey(Made(bad), report=lambda done, total: steps.append((done, total)))
    assert found.readable == [1]
    assert found.unreadable["a"] == "a: is broken; mend it"
    assert found.unreadable["c"] == "KeyError: 'key'"
    assert "has no label 'semantic'" in found.unreadable["d"]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(("limit", "seen"), [(None, 3), (2, 2), (9, 3)])
def test_limit(limit, seen):
    assert survey(Made({name: noise(2, 2) for name in "abc"}), limit).seen == seen
