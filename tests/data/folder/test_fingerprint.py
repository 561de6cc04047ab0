"""What a folder's fingerprint is of."""

import shutil

import pytest

from robustbench_seg.data.folder import Folder
from robustbench_seg.errors import InputError
from tests.data.folder.farm import CONFIG, IDS


def test_fingerprint_is_of_names_contents_and_declaration(make, save, tmp_path):
    root = make()
    first = Folder(root).fingerprint()
    assert first == Folder(root).fingerprint()
    moved = root.rename(tmp_path / "elsewhere")
    assert Folder(moved).fingerprint() == first
    (moved / "images" / "notes.txt").write_text("not part of it")
    assert Folder(moved).fingerprint() == first
    seen = {first}
    save(moved / "labels" / "a.png", IDS.T.reshape(4, 6))
    seen.add(Folder(moved).fingerprint())
    (moved / "dataset.toml").write_text(CONFIG + "void = [9]")
    seen.add(Folder(moved).fingerprint())
    for kind in ("images/a.jpg", "labels/a.png"):
        (moved / kind).rename((moved / kind).with_stem("z"))
    seen.add(Folder(moved).fingerprint())
    assert len(seen) == 4


def test_fingerprint_is_computed_once(make):
    data = Folder(make())
    first = data.fingerprint()
    shutil.rmtree(data._root)
    assert data.fingerprint() == first


def test_fingerprint_of_a_file_that_vanished(make):
    root = make()
    data = Folder(root)
    (root / "labels" / "a.png").unlink()
    with pytest.raises(InputError, match=r"labels/a\.png: cannot be read"):
        data.fingerprint()
