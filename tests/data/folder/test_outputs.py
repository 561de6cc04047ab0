"""Depth, and labels of several outputs."""

import shutil

import numpy as np
import pytest

from robustbench_seg.data.folder import Folder
from robustbench_seg.errors import InputError


def test_depth_beside_labels(make, save):
    root = make("depth_unit = 0.5")
    for name in "ab":
        save(root / "depth" / f"{name}.png", np.full((4, 6), 8), np.uint16)
    data = Folder(root)
    assert data.tasks == ("semantic", "depth")
    np.testing.assert_array_equal(data[0].labels["depth"], np.full((4, 6), 4, np.float32))


def test_depth_alone_needs_no_classes(make):
    root = make(config="")
    shutil.rmtree(root / "labels")
    (root / "depth").mkdir()
    for name in "ab":
        np.save(root / "depth" / f"{name}.npy", np.ones((4, 6), np.float32))
    data = Folder(root)
    assert (data.tasks, len(data.classes)) == (("depth",), 0)
    assert data[0].labels["depth"].sum() == 24


def test_labels_of_several_outputs(make, save):
    lanes = '[labels.lanes]\nclasses = ["none", "line"]\nids = {9 = "line"}\n'
    root = make('[labels.drivable]\nclasses = ["no", "yes"]\n' + lanes)
    for label, value in (("drivable", 1), ("lanes", 9)):
        for name in "ab":
            save(root / label / f"{name}.png", np.full((4, 6), value))
    data = Folder(root)
    assert data.tasks == ("semantic", "semantic[drivable]", "semantic[lanes]")
    assert {task: data.class_set(task).names for task in data.tasks} == {
        "semantic": ("road", "sky", "car"),
        "semantic[drivable]": ("no", "yes"),
        "semantic[lanes]": ("none", "line"),
    }
    assert all((data[0].labels[task] == 1).all() for task in data.tasks[1:])
    assert [data.labels_for(task) for task in ("semantic[lanes]", "semantic[sky]", "depth")] == [
        "semantic[lanes]",
        "semantic",
        None,
    ]
    (root / "lanes" / "b.png").unlink()
    with pytest.raises(InputError, match=r"b\.jpg: has no lanes labels of its name"):
        Folder(root)


def test_labels_of_several_outputs_alone(make, save):
    root = make(config='[labels.lanes]\nclasses = ["none", "line"]')
    shutil.rmtree(root / "labels")
    for name in "ab":
        save(root / "lanes" / f"{name}.png", np.ones((4, 6)))
    assert Folder(root).tasks == ("semantic[lanes]",)


@pytest.mark.parametrize("name", ["depth", "images", "'../up'", "'a b'"])
def test_a_label_without_a_folder_of_its_own(make, name):
    with pytest.raises(InputError, match="give a name of letters"):
        Folder(make(f'[labels.{name}]\nclasses = ["none", "line"]'))
