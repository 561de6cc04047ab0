import inspect

import pytest

from robustbench_seg.data.folder import Folder
from robustbench_seg.data.registry import BUILT_IN, DATASETS, TREES
from robustbench_seg.data.trees import check_split, files_of, numbered, unpacked
from robustbench_seg.errors import InputError, UsageError


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_is_shown_of_a_data_set_on_disk_is_its_tree(name):
    opened = DATASETS.get(name)
    on_disk = "root" in inspect.signature(opened).parameters
    assert on_disk == any(line.strip().startswith("ROOT/") for line in (opened.__doc__ or "").splitlines())


@pytest.mark.parametrize(("name", "path"), TREES.items())
def test_an_official_tree_is_recognised(tmp_path, name, path):
    assert f"ROOT/{path}" in (DATASETS.get(name).__doc__ or "")
    (tmp_path / path).mkdir(parents=True)
    with pytest.raises(InputError, match=f"toml: is missing; this is a folder of {name}: write {name}:{tmp_path}$"):
        Folder(tmp_path)


def test_the_folder_of_an_archive_or_the_root_itself(tmp_path):
    inner = tmp_path / "archive" / "inner"
    assert unpacked(tmp_path, "archive/inner") == tmp_path
    inner.mkdir(parents=True)
    assert unpacked(str(tmp_path), "archive/inner") == inner


def test_splits():
    check_split("Towns", "val", ("train", "val"))
    with pytest.raises(UsageError, match=r"^Towns: the labels of the split test are withheld; use val$"):
        check_split("Towns", "test", ("train", "val"), withheld="test")
    with pytest.raises(UsageError, match="unknown split 'test'"):
        check_split("Towns", "test", ("train", "val"))
    with pytest.raises(UsageError, match="unknown split 'vall'; did you mean val"):
        check_split("Towns", "vall", ("train", "val"))


def test_files_by_name(tmp_path):
    with pytest.raises(InputError, match=r"absent: is missing; unpack towns.zip$"):
        files_of(tmp_path / "absent", ".png", "towns.zip")
    (tmp_path / "a.jpg").touch()
    with pytest.raises(InputError, match=r"holds no \*.png; unpack towns.zip$"):
        files_of(tmp_path, ".png", "towns.zip")
    assert files_of(tmp_path, ".jpg", "towns.zip") == {"a": tmp_path / "a.jpg"}


def test_files_by_number(tmp_path):
    for name in (
        "rgb_00001.png",
        "rgb_2.png",
        "rgb_00003_labelTrainIds.png",
        "rgb_x.png",
        "00004.png",
        "rgb_00005.jpg",
    ):
        (tmp_path / name).touch()
    assert numbered(tmp_path, "towns.zip", "rgb_") == {name: tmp_path / f"rgb_{name}.png" for name in ("00001", "2")}
    assert list(numbered(tmp_path, "towns.zip")) == ["00004"]
    with pytest.raises(InputError, match=r"holds no depth_<number>.png; unpack towns.zip$"):
        numbered(tmp_path, "towns.zip", "depth_")
