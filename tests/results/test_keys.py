"""Keys: labels and digests of attack configurations, and what makes two cells the same."""

import subprocess
import sys
from dataclasses import replace

from robustbench_seg.results.keys import FLOAT, ROUNDED, AttackConfiguration, CellKey, attack_name


def _configuration(**params: object) -> AttackConfiguration:
    return AttackConfiguration("pgd", "semantic", "linf", (1.0,), params)


def test_label_names_the_variant() -> None:
    assert AttackConfiguration("pgd", "semantic", "linf", (1.0,)).label == "pgd"
    label = AttackConfiguration("pgd", "semantic", "linf", (1.0,), {"steps": 40}, "40 steps").label
    assert label == "pgd[40 steps]"
    assert attack_name(label) == "pgd"
    assert attack_name("pgd") == "pgd"


def test_digest_is_of_the_parameters_alone() -> None:
    assert _configuration().digest == ""
    assert _configuration(steps=40, alpha="0.25 eps").digest == _configuration(alpha="0.25 eps", steps=40).digest
    assert _configuration(steps=40).digest != _configuration(steps=20).digest


def test_cells_are_the_grid_once_for_each_way_of_scoring() -> None:
    pgd = AttackConfiguration("pgd", "semantic", "linf", (0.5, 1.0))
    assert pgd.cells == [(0.5, FLOAT), (1.0, FLOAT)]
    both = replace(pgd, scored=(FLOAT, ROUNDED))
    assert both.cells == [(0.5, FLOAT), (1.0, FLOAT), (0.5, ROUNDED), (1.0, ROUNDED)]
    keys = [both.key("m", "d", *cell) for cell in both.cells]
    assert len(set(keys)) == 4
    assert keys[0] == pgd.key("m", "d", 0.5)


def test_a_key_read_from_a_table_is_that_of_the_store() -> None:
    stored = CellKey("m", "d", "pgd", "semantic", "linf", 1.0, digest=_configuration(steps=40).digest)
    read = CellKey("m", "d", "pgd", "semantic", "linf", 1.0)
    assert stored == read
    assert len({stored, read}) == 1
    assert read != CellKey("m", "d", "pgd", "semantic", "linf", 1.0, source="other")
    assert read != CellKey("m", "d", "pgd", "semantic", "linf", 1.0, scored=ROUNDED)


def test_keys_need_no_torch() -> None:
    code = "import sys, robustbench_seg.results.keys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
