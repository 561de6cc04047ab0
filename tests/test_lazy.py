from __future__ import annotations

import subprocess
import sys

import pytest

from robustbench_seg.lazy import lazy_module

USE = """
import sys
from robustbench_seg.lazy import lazy_module
colors = lazy_module("colorsys")
assert "colorsys" not in sys.modules
assert colors.rgb_to_hsv(0, 0, 0) == (0, 0, 0)
assert "colorsys" in sys.modules
"""


def test_a_module_is_imported_when_it_is_used() -> None:
    subprocess.run([sys.executable, "-c", USE], check=True)


def test_what_is_missing_says_so() -> None:
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = lazy_module("json").nothing_here
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        _ = lazy_module("no_such_module").anything
