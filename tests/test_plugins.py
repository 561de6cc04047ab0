"""A run remembers the plugins it needs, and later commands ask for the one they lack."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOY = "tests/plugins/toy.py"

OBJECTIVE = ROOT / "tests" / "plugins" / "robustseg_example" / "robustseg_example" / "objective.py"
"""The objective of the example package, which is a plugin file too."""


def robustseg(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "robustbench_seg", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with an objective of a plugin, and the plugin."""
    folder = tmp_path_factory.mktemp("far")
    plugin = folder / "far.py"
    plugin.write_text(OBJECTIVE.read_text(encoding="utf-8"), encoding="utf-8")
    protocol = folder / "far.toml"
    protocol.write_text('[[attack]]\nname = "fgsm"\nepsilons = [4]\nobjectives = ["far:8"]\n')
    options = ("-m", "toy-multi", "-d", "toy", "--plugin", TOY, "--plugin", plugin, "--limit", 4, "--workers", 1)
    done = robustseg("evaluate", *options, "-p", protocol, "-o", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder / "run", plugin


@pytest.mark.slow
def test_a_run_lists_what_plugins_brought(run):
    folder, plugin = run
    info = json.loads((folder / "run.json").read_text())
    toy = {"origin": "plugin toy.py", "file": str(ROOT / TOY)}
    assert info["plugins"] == [
        {"kind": "objectives", "name": "far", "origin": "plugin far.py", "file": str(plugin)},
        {"kind": "models", "name": "toy-multi", **toy},
        {"kind": "datasets", "name": "toy", **toy},
    ]
    assert "fgsm,far:8,linf" in (folder / "summary.csv").read_text()
    assert "on depth beyond 8 m" in (folder / "report.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["report", "plot", "relationships"])
def test_a_command_without_the_plugin_names_it(run, tmp_path, command):
    folder, plugin = run
    out = () if command == "report" else ("-o", tmp_path)
    done = robustseg(command, folder, *out)
    assert done.returncode == 3
    assert done.stderr == f"robustseg: run '{folder}' needs --plugin {plugin} (objective 'far')\n"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["toy-multi", "street-multi"])
def test_a_run_that_is_continued_asks_for_every_plugin(run, model):
    folder, plugin = run
    done = robustseg("evaluate", "-m", model, "-a", "fgsm", "-o", folder)
    assert done.returncode == 3
    toy = f"--plugin {ROOT / TOY} (model 'toy-multi', data set 'toy')"
    assert done.stderr == f"robustseg: run '{folder}' needs --plugin {plugin} (objective 'far') {toy}\n"


@pytest.mark.slow
@pytest.mark.parametrize("command", ["report", "plot"])
def test_with_the_plugin_it_is_reported_again(run, tmp_path, command):
    folder, plugin = run
    out = () if command == "report" else ("-o", tmp_path)
    done = robustseg(command, folder, *out, "--plugin", plugin)
    assert done.returncode == 0, done.stderr


def test_the_objective_of_a_plugin_is_listed(tmp_path):
    plugin = tmp_path / "far.py"
    plugin.write_text(OBJECTIVE.read_text(encoding="utf-8"), encoding="utf-8")
    listed = json.loads(robustseg("list", "objectives", "--json", "--plugin", plugin).stdout)
    (far,) = [entry for entry in listed if entry["name"] == "far"]
    assert far["origin"] == "plugin far.py"
    assert far["summary"] == "Ascend the error of depth of the pixels beyond ARGUMENT metres alone: far:8."
