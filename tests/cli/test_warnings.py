"""Warnings of libraries do not come before the one line of an error."""

import subprocess
import sys

import pytest

PLUGIN = """
import warnings

import torch

from robustbench_seg import ATTACKS
from robustbench_seg.attacks.fgsm import FGSM


@ATTACKS.register("warned")
class Warned(FGSM):
    pass


warnings.warn("a raw warning")
torch.nn.functional.interpolate(torch.zeros(1, 1, 2, 2), scale_factor=2.0, recompute_scale_factor=True)
torch.tensor([1.0]).requires_grad_().sum().grad
"""


def show(tmp_path, *python: str) -> str:
    plugin = tmp_path / "warns.py"
    plugin.write_text(PLUGIN)
    command = [sys.executable, *python, "-m", "robustbench_seg", "show", "attack", "fgms", "--plugin", str(plugin)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    return done.stderr


@pytest.mark.slow
def test_an_error_is_one_line_whatever_warns(tmp_path):
    assert show(tmp_path) == "robustseg: unknown attack 'fgms'; did you mean fgsm?\n"


@pytest.mark.slow
def test_warnings_are_shown_where_python_is_asked_to(tmp_path):
    assert "a raw warning" in show(tmp_path, "-W", "default")
