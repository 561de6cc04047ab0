"""One network with segmentation, depth, normals and edges: trained by its recipe, evaluated by the ordinary command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from robustbench_seg.cli import group
from robustbench_seg.street.dataset import Street
from robustbench_seg.tasks.dense import dense_tasks
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import train
from robustbench_seg.training.recipe import read_recipe

RECIPE = Path(__file__).parents[2] / "models" / "street-dense" / "recipe.toml"
SIZE = (64, 128)


@pytest.mark.slow
def test_four_dense_tasks_from_recipe_to_page(tmp_path):
    recipe = replace(read_recipe(RECIPE), steps=40, batch=2, validate_every=40, ema=0.5)
    assert set(recipe.tasks) == set(dense_tasks())
    sets = [Street(split=split, size=SIZE, length=length, cache=False) for split, length in (("train", 16), ("val", 4))]
    train(recipe, *sets, tmp_path / "work")
    card = export(recipe, sets[1], tmp_path / "work", tmp_path / "street-dense")
    assert card.metrics["normals"]["angular_error"] < 80, "random directions have 90"
    assert card.metrics["edges"]["recall"] > 0.1

    run = tmp_path / "run"
    asked = [
        "evaluate",
        "-m",
        str(tmp_path / "street-dense"),
        "-d",
        "street",
        "--limit",
        "2",
        "-a",
        "fgsm",
        "-e",
        "0.5,2",
    ]
    done = CliRunner().invoke(group, [*asked, "--workers", "1", "-o", str(run)])
    assert done.exit_code in (0, 4), done.output  # so short a training may be implausibly bad
    rows = pd.read_csv(run / "summary.csv").query("status == 'ok' and attack == 'fgsm'")
    for name in dense_tasks():
        drawn = rows.query(f"task == '{name}' and metric == '{TASKS.get(name)().curve}'")
        assert set(drawn.objective) == set(dense_tasks()), "every task is measured under attacks of every task"
        assert drawn.ratio.notna().all()
        assert set(drawn.epsilon) == {0.5, 2.0}
    classes = pd.read_csv(run / "classes.csv")
    assert {"semantic", "depth", "normals"} == set(classes.task)
    done = CliRunner().invoke(group, ["relationships", str(run)])
    assert done.exit_code == 0, done.output
    (page,) = run.rglob("relationships.html")
    text = page.read_text(encoding="utf-8")
    assert "surface normals" in text
    assert "edge detection" in text
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "mean angular error" in report
    assert "edge F1" in report
