from __future__ import annotations

import pytest

from robustbench_seg.evaluation.scoring import Cell
from robustbench_seg.results.keys import CLEAN, AttackConfiguration


def cell(attack, objective, norm, epsilon, grid=(1.0,)):
    return Cell(AttackConfiguration(attack, objective, norm, grid), epsilon)


def test_images_of_every_cell_have_a_folder_of_their_own():
    cells = [
        cell("pgd", "group:all", "linf", 1.0),
        cell("pgd", "group:all", "linf", 0.5),
        cell("pgd", "loss:cls", "linf", 1.0),
        cell("dag", "swap:person,car@detection", "none", None),
        cell("dag", "swap:person,car@semantic", "none", None),
        cell("gaussian", "", "rms", 1.0),
    ]
    names = [one.folder for one in cells]
    assert len(set(names)) == len(names)
    assert not set("/:@, ") & set("".join(names))
    assert names[3] == "dag_swap-person-car-detection_none"


@pytest.mark.parametrize(
    ("grid", "drawn"), [((0.0, 1.0, 4.0, 8.0), 4.0), ((8.0, 16.0), 8.0), ((None,), None), ((0.0,), None)]
)
def test_the_largest_epsilon_up_to_4_is_drawn(grid, drawn):
    assert [e for e in grid if cell("pgd", "semantic", "linf", e, grid).is_drawn] == [e for e in grid if e == drawn]
    assert cell(CLEAN, "", "", 0.0).is_drawn
