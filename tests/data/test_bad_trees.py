"""Every kind of bad data tree: one line that says what, where and how to mend it, the right exit code, no traceback."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest
from torch import nn

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.folder import Folder
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.spec import DataSpec
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.registry import MODELS
from tests.data.bad_trees import cityscapes, coco, folder, kitti, labelled, rendered
from tests.data.bad_trees.changes import Change
from tests.data.bad_trees.huge import HUGE
from tests.data.miniatures import TREES

USAGE, INPUT = 2, 3
TASKS = ("semantic", "depth", "detection", "instance")
MODULES = (folder, cityscapes, kitti, coco, labelled, rendered)
TABLES = {name: table for module in MODULES for name, table in module.TABLES.items()}
CASES = [(name, kind) for name, table in TABLES.items() for kind in table]
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


@pytest.fixture(autouse=True, scope="module")
def _perceiver():
    """A model with every task that these data sets have; it is never run."""
    if "perceiver" not in MODELS:
        made = LoadedModel("perceiver", nn.Conv2d(3, 19, 1), TASKS, CITYSCAPES19, "none", "0" * 64, "test")
        MODELS.register("perceiver", "every task")(lambda: made)


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
    """The one line of a command on a tree, and that there is no other and nothing was run."""
    monkeypatch.chdir(tmp_path)

    def run(*command: object, code: int = INPUT) -> str:
        got, out, err = robustseg(*command)
        assert got == code, err
        assert err.count("\n") == 1, err
        assert err.startswith("robustseg: ")
        assert err.rstrip("\n").isprintable()
        assert "Traceback" not in out + err
        assert not list(tmp_path.rglob("store.sqlite"))
        return err

    return run


def evaluate(data: str, *options: str) -> tuple[str, ...]:
    return "evaluate", "-m", "perceiver", "-d", data, "-a", "fgsm", "-e", "1", *options


@pytest.mark.parametrize("name", TREES)
def test_the_miniature_itself_is_sound(tree, robustseg, name):
    spec = f"{name}:{tree(name)}"
    data = DataSpec.parse(spec).load()
    for sample in data:
        assert {key: label is not None for key, label in sample.labels.items()}
    assert len(data) == {"acdc": 4, "folder": 2}.get(name, 1)
    code, _, err = robustseg("data", "check", spec)
    assert (code, err) == (0, "")


@pytest.mark.parametrize(("name", "kind"), CASES, ids=[f"{name}: {kind}" for name, kind in CASES])
def test_one_line(tree, refused, name, kind):
    change, *parts = TABLES[name][kind]
    if kind == "folder without permission" and os.geteuid() == 0:
        pytest.skip("root may read everything")
    root = tree(name, change)
    line = refused(*evaluate(f"{name}:{root}"))
    for part in (str(root), *parts):
        assert part in line


@pytest.mark.parametrize("kind", TABLES["folder"])
def test_your_own_folder_is_checked_before_an_image_is_read(tree, refused, kind):
    root = tree("folder", TABLES["folder"][kind][0])
    with pytest.raises(InputError) as caught:
        Folder(root)
    line = refused("data", "check", root)
    assert line == f"robustseg: {caught.value}\n"
    assert line.startswith(f"robustseg: {root}")


@pytest.mark.parametrize("case", HUGE)
def test_memory_is_bounded(tree, refused, case):
    name, change, *parts = HUGE[case]
    root = tree(name, change)
    tracemalloc.start()
    try:
        line = refused(*evaluate(f"{name}:{root}"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    for part in parts:
        assert part in line
    assert peak < 1 << 28


@pytest.mark.parametrize("case", SPLITS)
def test_wrong_split(tree, refused, case):
    name, split, code, what = SPLITS[case]
    assert what in refused(*evaluate(f"{name}:{tree(name)}", "--split", split), code=code)
