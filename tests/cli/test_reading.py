"""`robustseg show` of everything that is registered, and tables that cannot be read."""

import pytest

from robustbench_seg.registries import REGISTRIES
from robustbench_seg.tasks.registry import TASKS

EVERYTHING = [(plural.removesuffix("s"), name) for plural, registry in REGISTRIES.items() for name in list(registry)]


@pytest.mark.parametrize(("kind", "name"), EVERYTHING)
def test_everything_can_be_shown(robustseg, kind, name):
    code, out, err = robustseg("show", kind, name)
    assert code == 0, err
    assert out.startswith(f"{name} (")
    assert len(out.splitlines()) > 1


def test_a_docstring_is_shown_without_the_indentation_of_its_source(robustseg):
    _, out, _ = robustseg("show", "attack", "pgd")
    assert "\nArgs:\n    loss: which loss" in out


def test_a_protocol_says_that_its_attacks_are_the_papers(robustseg):
    _, out, _ = robustseg("show", "protocol", "klingner2020")
    assert "\nnote: PGD: as in the paper, few steps by Kurakin's rule" in out
    _, out, _ = robustseg("list", "protocols", "--json")
    assert "PGD as in the paper" in out


def test_the_card_in_a_folder_is_shown(robustseg, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "card.toml").write_text('name = "own"\n')
    assert robustseg("show", "model", "./own")[:2] == (0, 'name = "own"\n\n')


def test_what_is_shown_is_said_once(robustseg, tmp_path, monkeypatch):
    monkeypatch.setattr(TASKS, "_entries", None)
    plugin = tmp_path / "plugin.py"
    plugin.write_text(
        "from robustbench_seg.tasks.registry import TASKS\n"
        "from robustbench_seg.tasks.edges import Edges\n"
        "@TASKS.register('lanes')\n"
        "class Lanes(Edges):\n"
        '    """Lanes, as a test has them."""\n'
        "    name = 'lanes'\n"
        "    group = None\n"
    )
    code, out, err = robustseg("show", "task", "lanes", "--plugin", str(plugin))
    assert code == 0, err
    assert out.count("Lanes, as a test has them.") == 1
    assert "group" not in out


def test_a_damaged_table_is_one_line(robustseg, tmp_path):
    (tmp_path / "run.json").write_text("{}")
    for name in ("summary", "classes", "costs"):
        (tmp_path / f"{name}.csv").write_text("nonsense\n1\n")
    code, _, err = robustseg("relationships", tmp_path)
    assert code == 3
    assert err.count("\n") == 1
    assert "summary.csv' is damaged (no column model)" in err
