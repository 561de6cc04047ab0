"""Files that a folder may hold but that cannot be used once they are read."""

import numpy as np
import pytest

from robustbench_seg.data.folder import Folder
from tests.data.folder.farm import IDS, IMAGE, one_line_error


def add_label(name, values, dtype=np.uint8):
    return lambda root, save: save(root / "labels" / name, values, dtype)


def write(name, data=b"x"):
    return lambda root, save: (root / name).write_bytes(data)


BAD_CONTENTS = {
    "label of another size": (add_label("a.png", IDS.T), "4x6, its image", "labels/a.png"),
    "undeclared id": (add_label("a.png", IDS * 0 + 3), "ids 3 ", "labels/a.png"),
    "id above 255": (add_label("a.png", IDS * 0 + 7000, np.uint16), "7000", "labels/a.png"),
    "colour label": (add_label("a.png", IMAGE), "RGB pixels", "labels/a.png"),
    "broken label": (write("labels/a.png"), "is not an image", "labels/a.png"),
    "empty image": (write("images/b.jpg", b""), "0 bytes", "images/b.jpg"),
}


@pytest.mark.parametrize("case", BAD_CONTENTS)
def test_bad_contents_fail_when_read(make, save, case):
    change, part, where = BAD_CONTENTS[case]
    root = make()
    change(root, save)
    assert len(Folder(root)) == 2
    one_line_error(root, part, root / where, read=True)


def test_lossy_labels(make, save):
    root = make()
    (root / "labels" / "a.png").unlink()
    save(root / "labels" / "a.jpg", IDS)
    one_line_error(root, "JPEG", root / "labels" / "a.jpg", read=True)


def test_depth_of_another_size(make, save):
    root = make("depth_unit = 1")
    for name in "ab":
        save(root / "depth" / f"{name}.png", np.ones((5, 6)), np.uint16)
    one_line_error(root, "6x5", root / "depth" / "a.png", read=True)
