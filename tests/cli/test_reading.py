"""`robustseg show` of everything that is registered, and tables that cannot be read."""

import pytest

from robustbench_seg.registries import REGISTRIES

EVERYTHING = [(plural.removesuffix("s"), name) for plural, registry in REGISTRIES.items() for name in list(registry)]


@pytest.mark.parametrize(("kind", "name"), EVERYTHING)
def test_everything_can_be_shown(robustseg, kind, name):
    code, out, err = robustseg("show", kind, name)
    assert code == 0, err
    assert out.startswith(f"{name} (")
    assert len(out.splitlines()) > 1


def test_a_docstring_is_shown_without_the_indentation_of_its_source(robustseg):
    _, out, _ = robustseg("show", "attack", "pgd")
    assert "\nArgs:\n    steps: iterations" in out


def test_a_damaged_table_is_one_line(robustseg, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    for name in ("summary", "classes", "costs"):
        (tmp_path / f"{name}.csv").write_text("nonsense\n1\n")
    code, _, err = robustseg("relationships", tmp_path)
    assert code == 3
    assert err.count("\n") == 1
    assert "summary.csv' is damaged (no column model)" in err
