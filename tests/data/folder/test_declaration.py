"""What dataset.toml must not say."""

import pytest

from tests.data.folder.farm import one_line_error

BAD_CONFIGS = [
    ("", "void = 255", "void: must be a list, not 255"),
    ("", 'void = ["sky"]', "'sky'"),
    ("", "void = [65536]", "65536"),
    ("", "void = [-2]", "-2"),
    ("", "void = [[0, 0, 0]]", "[0, 0, 0]"),
    ("", "void = [true]", "True"),
    ("", 'group = "clip"', "'clip'"),
    ("", "depth_unit = 0", "above 0, not 0"),
    ("", "depth_unit = -0.01", "-0.01"),
    ("", "depth_unit = nan", "nan"),
    ("", "depth_unit = inf", "inf"),
    ("", 'depth_unit = "cm"', "'cm'"),
    ("", "depth_unit = true", "True"),
    ("", "name = 3", "name: must be str, not 3"),
    ("", "depth_units = 1", "'depth_units'; did you mean depth_unit"),
    ("", "ids = [3]", "ids: must be a table, not [3]"),
    ("", "[ids]", "[ids] is empty"),
    ("", '[ids]\nroad = "road"', "'road'"),
    ("", '[ids]\n65536 = "road"', "'65536'"),
    ("", '[ids]\n07 = "road"', "'07'"),
    ("", 'ids = "labelids"', "ids: must be a table, not 'labelids'"),
    ("", 'ids = "labelIds"', "is for the classes cityscapes19"),
    ("void = [-1]\n", '[ids]\n65535 = "road"', "void holds -1"),
    ("", 'suffix = {label = "_x"}', "'label'; did you mean labels"),
    ("", 'splits = "../lists"', "within the root"),
    ("", 'splits = "/lists"', "within the root"),
    ("", "orientation = 6", "one of apply, ignore, not 6"),
    ("", '[ids]\n3 = "raod"', "'raod'; did you mean road"),
    ("", '[ids]\n3 = ["road"]', "['road']"),
    ("void = [3]\n", '[ids]\n3 = "road"', "void holds 3"),
    ("palette = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]\n", '[ids]\n3 = "road"', "both palette and [ids]"),
    ("palette = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]\n", "void = [255]", "255"),
    ("palette = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]\n", "void = [[1, 1, 1]]", "[1, 1, 1]"),
    ("palette = [[0, 0, 0]]\n", "", "1 colours for 3 classes"),
    ("void = [\n", "", "not valid TOML"),
]


@pytest.mark.parametrize(("before", "extra", "part"), BAD_CONFIGS)
def test_bad_declarations(make, before, extra, part):
    root = make(before + extra)
    one_line_error(root, part, root / "dataset.toml")
