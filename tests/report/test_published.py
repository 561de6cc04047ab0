"""The published runs: their tables follow the schema and belong to the models that ship."""

import json
import re
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from robustbench_seg.results.rows import CLASSES, COSTS, SUMMARY

ROOT = Path(__file__).parents[2]
REPORTS = ROOT / "reports"
FOLDERS = sorted(path.parent for path in REPORTS.rglob("run.json"))
STUDIES = [folder for folder in FOLDERS if "runs" in json.loads((folder / "run.json").read_text())]
"""Several runs as one."""
RUNS = [folder for folder in FOLDERS if folder not in STUDIES]
PAGES = sorted(path for path in REPORTS.rglob("*.html"))


def _known(columns):
    """The columns of a table, and those of ones from before images could be rounded and numbers had a verdict."""
    before = [column for column in columns if column != "verdict"]
    return columns, before, [column for column in before if column != "scored"]


def test_something_is_published():
    assert {"street", "camvid", "street-uninet"} <= {run.name for run in RUNS}
    assert {"street/report.html", "uninet2021/study.html"} <= {str(page.relative_to(REPORTS)) for page in PAGES}
    noisy = [run for run in RUNS if "gaussian" in (run / "summary.csv").read_text()]
    assert {"street", "camvid"} <= {run.name for run in noisy}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPORTS)))
def test_pages_are_whole_and_hold_no_machine(page):
    text = page.read_text()
    assert text.rstrip().endswith("</html>")
    assert "://" not in text.replace("http://www.w3.org", "")
    assert "/root" not in text
    assert "/work" not in text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPORTS)))
def test_pages_hold_at_most_three_megabytes_of_pictures(page):
    assert sum(map(len, re.findall(r"data:image/[^\"]*", page.read_text()))) <= 3_000_000


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
class TestStudies:
    def test_the_numbers_are_those_of_the_models_that_ship(self, study):
        table = pd.read_csv(study / "summary.csv")
        assert list(table.columns) in _known(SUMMARY)
        assert (table.status == "ok").all()
        clean = table[(table.attack == "clean") & (table.metric == "miou") & (table.dataset == "street")]
        # A study may look at a part of the images under attack: the card's metrics are over all.
        clean = clean.sort_values("n_images")
        values = dict(zip(clean.model, clean.value, strict=True))
        shipped = [name for name in values if (ROOT / "models" / name / "card.toml").is_file()]
        assert len(shipped) >= 2
        for name in shipped:
            card = tomllib.loads((ROOT / "models" / name / "card.toml").read_text())
            assert values[name] == pytest.approx(card["metrics"]["semantic"]["miou"], abs=1e-3)

    def test_its_provenance_names_the_weights_and_no_machine(self, study):
        text = (study / "run.json").read_text()
        assert "/root" not in text
        assert "/work" not in text
        known = {model["name"]: model["sha256"] for run in json.loads(text)["runs"].values() for model in run["models"]}
        for name, digest in known.items():
            card = ROOT / "models" / name / "card.toml"
            assert not card.is_file() or tomllib.loads(card.read_text())["sha256"] == digest

    def test_the_command_stands_beside_it(self, study):
        assert f"-o reports/{study.name}" in (REPORTS / "README.md").read_text()


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
class TestPublished:
    def test_tables_have_the_columns(self, run):
        columns = {"summary": SUMMARY, "classes": CLASSES, "costs": COSTS}
        # Some are published without the longer tables.
        for name in ("summary", *(name for name in columns if (run / f"{name}.csv").is_file())):
            assert list(pd.read_csv(run / f"{name}.csv").columns) in _known(columns[name])

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
        assert np.allclose(noise.rms, noise.epsilon, rtol=1e-3)

    def test_the_models_are_those_that_ship(self, run):
        for model in json.loads((run / "run.json").read_text())["models"]:
            card = tomllib.loads((ROOT / "models" / model["name"] / "card.toml").read_text())
            assert model["sha256"] == card["sha256"]

    def test_its_provenance_holds_no_machine(self, run):
        text = (run / "run.json").read_text()
        assert "/root" not in text
        assert "/work" not in text

    def test_the_command_stands_beside_it(self, run):
        folder = run.relative_to(REPORTS).parts[0]
        assert f"-o reports/{folder}" in (REPORTS / "README.md").read_text()
