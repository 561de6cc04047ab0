"""Every kind of bad tree of your own data: one line, exit code 3, no traceback."""

import pytest

from tests.data.bad_trees import BAD, sound


@pytest.mark.parametrize("name", BAD)
def test_bad_trees_are_one_line(name, tmp_path, robustseg):
    case = BAD[name]
    root = tmp_path / "farm"
    sound(root)
    case.change(root)
    code, out, err = robustseg("data", "check", root)
    assert (code, out) == (3, ""), out + err
    assert err.count("\n") == 1, err
    assert err.startswith(f"robustseg: {root}")
    assert case.says in err
    assert "Traceback" not in err


def test_the_tree_is_sound_without_a_change(tmp_path, robustseg):
    sound(tmp_path)
    code, _, err = robustseg("data", "check", tmp_path)
    assert (code, err) == (0, "")
