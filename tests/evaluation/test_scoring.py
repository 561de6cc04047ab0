from __future__ import annotations

import numpy as np
import pytest

from robustbench_seg.data.registry import DATASETS
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.scoring import Cell
from robustbench_seg.evaluation.spec import InMemory
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


def row(run, **where):
    table = run.summary
    for key, value in where.items():
        table = table[table[key] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_saved_images_of_two_data_sets_lie_apart(request_for, tmp_path):
    class Other(DATASETS.get("toy")):
        name = "other"

    sets = [InMemory("toy", DATASETS.get("toy")()), InMemory("other", Other())]
    config = request_for("toy-single", datasets=sets, save_images=True, limit=1, in_process=True)
    run_evaluation(PreparedEvaluation(config, tmp_path / "run"), tmp_path / "run")
    assert {path.name for path in (tmp_path / "run" / "images" / "toy-single").iterdir()} == {"toy", "other"}


def test_saved_images_are_named_by_cell(run_in, tmp_path):
    run_in(tmp_path / "run", "toy-single", save_images=True, limit=2)
    names = {path.parent.name for path in (tmp_path / "run" / "images").rglob("*.png")}
    assert "gaussian_rms_8.0" in names
    assert len(list((tmp_path / "run" / "images").rglob("*.png"))) == 2 * 9


def test_epsilon_zero_is_the_clean_cell(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single")
    zero = row(run, attack="fgsm", epsilon=0, metric="miou")
    assert zero.ratio == 1
    assert zero.n_unchanged == zero.n_images == 12
    assert np.isnan(zero.snr_db)


def test_an_all_void_image_is_unchanged_and_counted(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single")
    assert row(run, attack="fgsm", epsilon=8, metric="miou").n_unchanged == 1
    assert row(run, attack="gaussian", epsilon=8, metric="miou").n_unchanged == 0


def test_hiding_skips_images_without_the_class(run_in, tmp_path):
    run = run_in(tmp_path / "run", "toy-single")
    hidden = row(run, attack="hide", metric="miou")
    assert 0 < hidden.n_images < 12
