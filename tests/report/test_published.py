"""The published runs: their tables follow the schema and belong to the models that ship."""

import json
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robustbench_seg.harness.aggregate import CLASSES, COSTS, SUMMARY

ROOT = Path(__file__).parents[2]
RUNS = sorted(path.parent for path in (ROOT / "reports").glob("*/run.json"))


def test_something_is_published():
    assert {"street", "camvid"} <= {run.name for run in RUNS}


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
class TestPublished:
    def test_tables_have_the_columns(self, run):
        for name, columns in (("summary", SUMMARY), ("classes", CLASSES), ("costs", COSTS)):
            assert list(pd.read_csv(run / f"{name}.csv").columns) == columns

    def test_nothing_failed_and_ratios_follow_from_values(self, run):
        table = pd.read_csv(run / "summary.csv")
        assert (table.status == "ok").all()
        known = table[table.ratio.notna()]
        expected = np.where(known.direction == "higher", known.value / known.clean, known.clean / known.value)
        assert np.allclose(known.ratio, expected, rtol=1e-4)
        inside = known[known.ratio_low.notna()]
        assert (inside.ratio_low <= inside.ratio_high).all()

    def test_noise_is_at_its_strength(self, run):
        table = pd.read_csv(run / "summary.csv")
        noise = table[table.attack.isin(["gaussian", "salt_and_pepper"])]
        assert len(noise)
        assert np.allclose(noise.rms, noise.epsilon, rtol=1e-3)

    def test_the_models_are_those_that_ship(self, run):
        for model in json.loads((run / "run.json").read_text())["models"]:
            card = tomllib.loads((ROOT / "models" / model["name"] / "card.toml").read_text())
            assert model["sha256"] == card["sha256"]

    def test_the_page_is_whole_and_holds_no_machine(self, run):
        page = (run / "report.html").read_text()
        assert page.rstrip().endswith("</html>")
        assert "://" not in page.replace("http://www.w3.org", "")
        for text in (page, (run / "run.json").read_text()):
            assert "/root" not in text
            assert "/work" not in text

    def test_the_command_stands_beside_it(self, run):
        assert f"-o reports/{run.name}" in (ROOT / "reports" / "README.md").read_text()
