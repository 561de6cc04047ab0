"""A folder of your own data in miniature."""

import numpy as np
import pytest

from robustbench_seg.data.folder import Folder
from robustbench_seg.errors import InputError

IMAGE = np.full((4, 6, 3), 90, np.uint8)
IDS = np.array([[0, 1, 2, 0, 1, 255]] * 4)
CONFIG = 'classes = ["road", "sky", "car"]\n'


def one_line_error(root, part, path, split=None, read=False):
    """Check that opening the folder, or reading it all, is refused in one line with a part, on a path."""
    use = list if read else len
    with pytest.raises(InputError) as caught:
        use(Folder(root, split))
    message = str(caught.value)
    assert part in message
    assert str(path) in message
    assert "\n" not in message
