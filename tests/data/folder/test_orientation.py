"""Images with an EXIF orientation."""

import numpy as np
import pytest
from PIL import Image

from robustbench_seg.data.folder import Folder
from tests.data.folder.farm import CONFIG, one_line_error

SQUARE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


@pytest.mark.parametrize(
    ("declared", "expected"), [('orientation = "apply"', np.rot90(SQUARE, -1)), ('orientation = "ignore"', SQUARE)]
)
def test_exif_orientation(make, save, declared, expected):
    """6 is turned by a quarter clockwise for viewing; that of a square image leaves no trace in its size."""
    exif = Image.Exif()
    exif[0x0112] = 6
    root = make(declared, names=("a",))
    (root / "images" / "a.jpg").unlink()
    save(root / "images" / "a.png", SQUARE, exif=exif)
    save(root / "labels" / "a.png", SQUARE[..., 0] % 3)
    (root / "dataset.toml").write_text(CONFIG + declared)
    np.testing.assert_array_equal(Folder(root)[0].image, expected)
    (root / "dataset.toml").write_text(CONFIG)
    one_line_error(root, "EXIF orientation 6", root / "images" / "a.png", read=True)
    exif[0x0112] = 1
    save(root / "images" / "a.png", SQUARE, exif=exif)
    np.testing.assert_array_equal(Folder(root)[0].image, SQUARE)
