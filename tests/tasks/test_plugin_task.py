"""A task in one file of someone else's: it trains, is evaluated and attacked, drawn, and reported again."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PLUGIN = Path(__file__).parents[1] / "plugins" / "colour.py"
RECIPE = """
name = "coloured"
summary = "a toy"
licence = "Apache-2.0"
steps = 4
batch = 2
validate_every = 4
[architecture]
name = "klingner"
[architecture.parameters]
encoder = "resnet18"
encoder_args = { channels = [8, 8, 16, 16], layers = [1, 1, 1, 1], stem_type = "deep", stem_width = 8 }
widths = [16, 16, 8, 8]
[data]
dataset = "coloured"
[tasks]
semantic = 1.0
colour = 1.0
"""


def robustseg(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "robustbench_seg", *arguments, "--plugin", str(PLUGIN)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)


@pytest.mark.slow
def test_a_task_of_three_channels(tmp_path):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    done = robustseg(tmp_path, "train", "recipe.toml", "--out", "coloured")
    assert done.returncode == 0, done.stderr
    asked = ["-m", str(tmp_path / "coloured"), "-d", "coloured", "-a", "fgsm", "-a", "gaussian", "-e", "1,4"]
    done = robustseg(tmp_path, "evaluate", *asked, "--limit", "3", "--workers", "1", "-o", "run")
    assert done.returncode in (0, 4), done.stderr  # four steps of training are implausibly bad
    run = tmp_path / "run"
    rows = pd.read_csv(run / "summary.csv").query("task == 'colour' and metric == 'colour_error'")
    assert set(rows.objective.fillna("")) == {"", "semantic", "colour"}
    assert rows.query("attack == 'fgsm' and objective == 'colour'").ratio.max() < 1, "the attack on it harms it"
    classes = pd.read_csv(run / "classes.csv")
    assert len(classes.query("task == 'colour'")) > 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "colour" in page
    with sqlite3.connect(run / "store.sqlite") as store:
        assert {"prediction:colour", "label:colour"} <= {kind for (kind,) in store.execute("SELECT kind FROM panels")}
    done = robustseg(tmp_path, "relationships", "run")
    assert done.returncode == 0, done.stderr
