"""The cache of `street`: the same samples with it and without, whatever happens to its files."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from robustbench_seg.errors import InputError
from robustbench_seg.street.cache import default_folder, pack
from robustbench_seg.street.dataset import Street

READ = """
import sys
from robustbench_seg.street.dataset import Street
data = Street("street", "val", length=4, cache=sys.argv[1])
for _ in range(3):
    print([int(data[index].image.sum()) for index in range(4)])
"""


@pytest.fixture
def data(tmp_path):
    return Street("street", "val", length=3, cache=tmp_path)


def files(folder: Path):
    return sorted(path for path in folder.rglob("*") if path.is_file())


def same(one, other):
    return pickle.dumps((one.id, one.image, one.labels, one.camera)) == pickle.dumps(
        (other.id, other.image, other.labels, other.camera)
    )


def test_a_kept_sample_is_the_rendered_one(data, tmp_path):
    plain = Street("street", "val", length=3, cache=False)
    for offset in (-1, 0, 1):
        assert same(data.frame(1, offset), plain.frame(1, offset))
        assert same(data.frame(1, offset), plain.frame(1, offset))
    assert len(files(tmp_path)) == 3


def test_a_kept_sample_is_not_rendered_again(data, monkeypatch):
    first = data[0]
    monkeypatch.setattr("robustbench_seg.street.dataset.render", None)
    assert same(data[0], first)


@pytest.mark.parametrize("damage", ["empty", "truncated", "text", "flipped", "other"])
def test_a_damaged_file_is_rendered_again(data, tmp_path, damage):
    first = data[0]
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    middle = len(whole) // 2
    changed = {
        "empty": b"",
        "truncated": whole[:middle],
        "text": b"not a sample",
        "flipped": whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :],
        "other": b"\x93NUMPY\x01\x00" + whole[8:],
    }[damage]
    path.write_bytes(changed)

    assert same(data[0], first)
    assert path.read_bytes() != changed
    assert files(tmp_path) == [path]


def test_a_file_that_lacks_a_label_is_rendered_again(data, tmp_path):
    first = data[0]
    (path,) = files(tmp_path)
    with np.load(path) as stored:
        older = {key: stored[key] for key in stored.files if key != "normals"}
    np.savez_compressed(path, **older)

    assert same(data[0], first)
    with np.load(path) as stored:
        assert "normals" in stored.files


def test_a_label_without_a_packing_is_refused(data):
    sample = data[0]
    with pytest.raises(InputError) as caught:
        pack(sample.image, {**sample.labels, "shading": sample.labels["depth"]}, sample.camera)
    assert str(caught.value) == (
        "street has no packing for label 'shading'; add it to pack and unpack in street/cache.py "
        "and raise VERSION in street/dataset.py"
    )


def test_an_unwritable_folder_costs_time_only(tmp_path):
    (tmp_path / "file").write_text("in the way")
    blocked = Street("street", "val", length=3, cache=tmp_path / "file" / "below")
    assert same(blocked[0], Street("street", "val", length=3, cache=False)[0])


def test_a_full_disk_costs_time_only(data, tmp_path, monkeypatch):
    def full(*arguments, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("robustbench_seg.street.cache.np.savez_compressed", full)
    assert same(data[0], Street("street", "val", length=3, cache=False)[0])
    assert files(tmp_path) == []


@pytest.mark.slow
def test_processes_share_a_folder(tmp_path):
    runs = [
        subprocess.Popen([sys.executable, "-c", READ, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = {run.communicate()[0] for run in runs}
    plain = Street("street", "val", length=4, cache=False)

    assert [run.returncode for run in runs] == [0, 0]
    assert outputs == {3 * f"{[int(plain[index].image.sum()) for index in range(4)]}\n"}
    assert [path.suffix for path in files(tmp_path)] == [".npz"] * 4


def test_files_tell_domains_splits_and_sizes_apart(tmp_path):
    for arguments in (("street", "val"), ("street-b", "val"), ("street", "test"), ("street", "val", (48, 96))):
        Street(*arguments, length=1, cache=tmp_path)[0]
    assert len({path.parent for path in files(tmp_path)}) == 4


def test_the_folder_is_named_or_the_users(monkeypatch, tmp_path):
    monkeypatch.setenv("ROBUSTSEG_CACHE", str(tmp_path))
    assert default_folder() == tmp_path
    Street("street", length=1)[0]
    assert len(files(tmp_path)) == 1

    monkeypatch.delenv("ROBUSTSEG_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    if sys.platform == "linux":
        assert default_folder() == tmp_path / "caches" / "robustseg"


def test_without_a_home_nothing_is_kept(monkeypatch):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("ROBUSTSEG_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert default_folder() is None
    data = Street("street", length=1)
    assert same(data[0], data[0])


def test_a_cache_can_be_turned_off(monkeypatch, tmp_path):
    monkeypatch.setenv("ROBUSTSEG_CACHE", str(tmp_path))
    Street("street", length=1, cache=False)[0]
    assert files(tmp_path) == []
    assert os.environ["ROBUSTSEG_CACHE"] == str(tmp_path)
