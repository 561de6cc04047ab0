"""A package of someone else with a plugin of each kind, each in one file: installed, trained, attacked, reported."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
RECIPE = """
name = "example"
summary = "a network, a data set and a task of a plugin"
licence = "Apache-2.0"
steps = 20
batch = 3
validate_every = 20
[architecture]
name = "shallow"
[architecture.parameters]
width = 8
[data]
dataset = "blurred"
[tasks]
semantic = 1.0
depth = 1.0
albedo = 1.0
"""
PROTOCOL = """
[[attack]]
name = "random_signs"
epsilons = [4]
[[attack]]
name = "fgsm"
epsilons = [4]
objectives = ["each task", "far:8"]
[tasks.albedo]
darkest = 0.5
class_average = true
"""
ADDED = {
    "attacks": "random_signs",
    "objectives": "far",
    "networks": "shallow",
    "pose_networks": "mean_motion",
    "datasets": "blurred",
    "tasks": "albedo",
}

PACKAGE = ROOT / "tests" / "plugins" / "robustseg_example"
FILES = {file.stem: file for file in sorted((PACKAGE / "robustseg_example").glob("[a-z]*.py"))}
GIVEN = [argument for file in FILES.values() for argument in ("--plugin", file)]

INSTALLED = "'robustseg-example 0.1.0' installed (task 'albedo', attack 'random_signs', objective 'far')"
BY_FILE = " ".join(
    f"--plugin {FILES[kind]} ({kind} '{name}')"
    for kind, name in (("task", "albedo"), ("attack", "random_signs"), ("objective", "far"))
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def robustseg(tmp_path_factory):
    """The command in a folder, with the package installed, or without it."""
    source, site = (tmp_path_factory.mktemp(name) / "example" for name in ("source", "site"))
    shutil.copytree(PACKAGE, source)
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True)

    def run(folder, *arguments, installed=True):
        path = f"{site}:{ROOT}" if installed else str(ROOT)
        environment = {"PYTHONPATH": path, "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "robustbench_seg", *map(str, arguments)]
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="module")
def folder(robustseg, tmp_path_factory):
    """A model trained on the package's data, a run of it, and one with the package's files instead of the package."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "recipe.toml").write_text(RECIPE)
    (folder / "mine.toml").write_text(PROTOCOL)
    done = robustseg(folder, "train", "recipe.toml", "--out", "example")
    assert done.returncode == 0, done.stderr
    asked = ("-m", folder / "example", "-d", "blurred", "-p", "mine.toml", "--workers", "1", "-o")
    # A few steps of training give no clean metric to believe.
    done = robustseg(folder, "evaluate", *asked, "run")
    assert done.returncode == 4, done.stderr
    done = robustseg(folder, "evaluate", *asked, "by-files", *GIVEN, installed=False)
    assert done.returncode == 4, done.stderr
    return folder


@pytest.mark.parametrize("kind", ADDED)
def test_each_is_listed_with_its_origin(robustseg, tmp_path, kind):
    listed = json.loads(robustseg(tmp_path, "list", kind, "--json").stdout)
    (entry,) = [entry for entry in listed if entry["name"] == ADDED[kind]]
    assert entry["origin"] == "robustseg-example 0.1.0"


def test_the_task_has_rows_overall_and_by_class(folder):
    rows = pd.read_csv(folder / "run" / "summary.csv").fillna({"objective": ""}).query("task == 'albedo'")
    assert set(rows.attack) == {"clean", "random_signs", "fgsm"}
    assert set(rows.objective) == {"", "semantic", "depth", "albedo", "far:8"}
    assert (rows.status == "ok").all()
    assert rows.query("attack == 'fgsm' and objective == 'albedo'").ratio.max() < 1, "the attack on it harms it"
    assert len(pd.read_csv(folder / "run" / "classes.csv").query("task == 'albedo'")) > 0
    assert set(rows.metric) == {"albedo_error", "class_albedo_error"}, "as the protocol sets it"
    identity = json.loads((folder / "run" / "run.json").read_text())["identity"]
    assert identity["tasks"] == {"albedo": {"class_average": True, "darkest": 0.5}}


def test_pages_name_what_the_package_brought(folder):
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    for text in ("Random signs", "on depth beyond 8 m", "albedo"):
        assert text in page


def test_its_predictions_and_labels_are_drawn(folder):
    with contextlib.closing(sqlite3.connect(folder / "run" / "store.sqlite")) as store:
        kinds = {kind for (kind,) in store.execute("SELECT kind FROM panels")}
    assert {"prediction:albedo", "label:albedo"} <= kinds


def test_the_files_alone_measure_the_same(folder):
    assert (folder / "by-files" / "summary.csv").read_bytes() == (folder / "run" / "summary.csv").read_bytes()


@pytest.mark.parametrize(("run", "command"), [("run", "relationships"), ("by-files", "report")])
def test_its_run_is_read_again_with_what_made_it_alone(robustseg, folder, run, command):
    installed = run == "run"
    done = robustseg(folder, command, run, *(() if installed else GIVEN), installed=installed)
    assert done.returncode == 0, done.stderr
    done = robustseg(folder, command, run, installed=False)
    assert done.returncode == 3
    assert done.stderr == f"robustseg: run '{run}' needs {INSTALLED if installed else BY_FILE}\n"


def test_a_model_whose_plugins_are_not_given_names_them_all(robustseg, folder):
    done = robustseg(folder, "check", folder / "example", installed=False)
    assert done.returncode == 3
    assert "unknown network 'shallow', task 'albedo'; give --plugin with each file" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_records_its_network_and_data_set(folder):
    for run, file in (("run", {}), ("by-files", FILES)):
        needs = json.loads((folder / run / "run.json").read_text())["plugins"]
        found = {(need["kind"], need["name"], need["file"]) for need in needs}
        names = {("networks", "shallow", "network"), ("datasets", "blurred", "dataset")}
        assert {(kind, name, str(file.get(stem, ""))) for kind, name, stem in names} <= found


def test_two_runs_are_compared_with_the_package_alone(robustseg, folder):
    done = robustseg(folder, "plot", "run", "-o", "comparison")
    assert done.returncode == 0, done.stderr


def test_the_task_has_a_row_in_relationships(robustseg, folder):
    done = robustseg(folder, "relationships", "run")
    assert done.returncode == 0, done.stderr
    assert "albedo" in (folder / "run" / "relationships.html").read_text(encoding="utf-8")
