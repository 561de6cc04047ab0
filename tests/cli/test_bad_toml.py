"""Bad cards, classes files and files of data sets through the command: one line and the right exit code."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robustbench_seg._shipped import shipped

USAGE, INPUT = 2, 3
CARDS = {
    "nested without end": (lambda card: f"{card}x = {'[' * 5000}{']' * 5000}", INPUT, "card.toml"),
    "another digest": (lambda card: card.replace('sha256 = "18', 'sha256 = "19'), INPUT, "sha256"),
    "another number of classes": (lambda card: card.replace('"cityscapes19"', '"camvid11"'), INPUT, "parameter"),
    "an unknown alignment": (lambda card: card.replace('"none"', '"mean"', 1), INPUT, "mean"),
}
"""Changes of a card that is sound; more in tests/models/catalogue/test_card.py."""

PALETTE = 'classes = ["a", "b"]\npalette = [[0, 0, 0]]\n'
CLASSES = {
    "no classes": ('name = "mine"\n', INPUT, "classes"),
    "a class twice": ('classes = ["a", "a"]\n', INPUT, "a"),
    "classes that are numbers": ("classes = [1, 2]\n", INPUT, "classes"),
    "too many classes": (f"classes = {[f'c{i}' for i in range(300)]}\n".replace("'", '"'), INPUT, "255"),
    "colours for other classes": (PALETTE, INPUT, "palette"),
    "a colour out of range": (PALETTE.replace("[[0, 0, 0]]", "[[0, 0, 0], [0, 0, 256]]"), INPUT, "256"),
    "a map to no class": ('classes = ["a", "b"]\n[maps.cityscapes19]\nroad = "c"\n', INPUT, "'c'"),
    "an unknown key": ('classes = ["a", "b"]\nnames = 3\n', INPUT, "names"),
}
DATASETS = {
    "no classes": ("", INPUT, "classes"),
    "an unknown key": ('classes = "cityscapes19"\nvoids = 3\n', INPUT, "voids"),
    "an unknown class set": ('classes = "cityscapes20"\n', INPUT, "cityscapes20"),
    "a void that is no id": ('classes = "cityscapes19"\nvoid = [70000]\n', INPUT, "70000"),
    "a unit of 0": ('classes = "cityscapes19"\ndepth_unit = 0\n', INPUT, "depth_unit"),
    "labels outside the folder": (
        'classes = "cityscapes19"\n[labels."../../x"]\nclasses = "camvid11"\n',
        INPUT,
        "../x",
    ),
}
NET = "import torch\n\n\ndef build():\n    return torch.nn.Conv2d(3, 2, 1)\n"


def one_line(robustseg, arguments, code, named):
    got, out, err = robustseg(*arguments)
    assert got == code, err
    assert err.count("\n") == 1, err
    assert err.startswith("robustseg: ")
    assert named in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize("name", CARDS)
def test_a_bad_card(name, robustseg, tmp_path):
    change, code, named = CARDS[name]
    sound = shipped("models") / "street-single"
    folder = tmp_path / "street-single"
    folder.mkdir()
    shutil.copyfile(sound / "weights.safetensors", folder / "weights.safetensors")
    before = (sound / "card.toml").read_text()
    after = change(before)
    assert after != before
    (folder / "card.toml").write_bytes(after.encode("utf-8", "surrogateescape"))
    one_line(robustseg, ("check", str(folder)), code, named)


@pytest.mark.parametrize("name", CLASSES)
def test_a_bad_classes_file(name, robustseg, tmp_path):
    text, code, named = CLASSES[name]
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "mine.toml").write_text(text)
    arguments = ("check", f"{tmp_path}/net.py:build", "--classes", str(tmp_path / "mine.toml"))
    one_line(robustseg, arguments, code, named)


@pytest.mark.parametrize("name", DATASETS)
def test_a_bad_data_set_file(name, robustseg, tmp_path):
    text, code, named = DATASETS[name]
    for part, shape in (("images", (8, 8, 3)), ("labels", (8, 8))):
        (tmp_path / part).mkdir()
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / part / "a.png")
    Path(tmp_path / "dataset.toml").write_text(text)
    one_line(robustseg, ("check", "street-single", "-d", f"folder:{tmp_path}"), code, named)
