"""The example of attacks/README.md, installed as a real package and run."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from robustbench_seg.attacks.budgets import BUDGETS
from robustbench_seg.attacks.registry import ATTACKS

ROOT = Path(__file__).parents[1]
README = ROOT / "attacks" / "README.md"
TOY = ROOT / "tests" / "plugins" / "toy.py"


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """The package with the README's code, in a folder of its own, on the path with its metadata."""
    source = tmp_path_factory.mktemp("source") / "robustseg_ni_fgsm"
    shutil.copytree(ROOT / "tests" / "plugins" / "robustseg_ni_fgsm", source)
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert code is not None
    (source / "robustseg_ni_fgsm.py").write_text(code[1])
    site = tmp_path_factory.mktemp("site")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*install, "--target", str(site), str(source)], check=True)
    return {"PYTHONPATH": f"{site}:{ROOT}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}


def robustseg(environment, *arguments):
    command = [sys.executable, "-m", "robustbench_seg", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_readme_example_is_ten_lines_of_method():
    code = re.search(r"def run.*?```", README.read_text(), re.DOTALL)
    assert code is not None
    assert len(code[0].strip().splitlines()) <= 10


def test_its_gradients_are_foretold(monkeypatch):
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert code is not None
    monkeypatch.setattr(ATTACKS, "_entries", None)
    names = {}
    exec(code[1], names)
    attack = names["NesterovFGSM"]()

    class Counting:
        images = torch.full((1, 3, 4, 5), 0.5)
        gradients = 0

        def gradient(self, x):
            self.gradients += 1
            return torch.ones_like(x)

    for epsilon in (0.25, 4.0, 16.0):
        context = Counting()
        attack.run(context, BUDGETS["linf"](context.images, epsilon))
        assert attack.num_gradients([0.0, epsilon]) == context.gradients > 0


@pytest.mark.slow
def test_it_is_listed_with_its_origin(environment):
    listed = json.loads(robustseg(environment, "list", "attacks", "--json").stdout)
    (entry,) = [entry for entry in listed if entry["name"] == "ni_fgsm"]
    assert list(entry)[:2] == ["name", "origin"]
    assert entry["origin"] == "robustseg-mi-fgsm 1.2.3"


@pytest.mark.slow
def test_it_evaluates(environment, tmp_path):
    arguments = ["-m", "toy-single", "-d", "toy", "--plugin", str(TOY), "-a", "ni_fgsm", "-e", "1,8"]
    done = robustseg(environment, "evaluate", *arguments, "-o", str(tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "run" / "summary.csv").read_text().splitlines()
    assert sum("ni_fgsm,semantic,linf" in row for row in rows) == 4


def test_the_example_is_also_a_plugin_file(environment, tmp_path):
    code = re.search(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert code is not None
    plugin = tmp_path / "mine.py"
    plugin.write_text(code[1])
    plain = {**environment, "PYTHONPATH": str(ROOT)}
    shown = robustseg(plain, "show", "attack", "ni_fgsm", "--plugin", str(plugin))
    assert shown.returncode == 0, shown.stderr
    assert "ni_fgsm (plugin mine.py): NI-FGSM" in shown.stdout
    assert "decay = 1.0" in shown.stdout
