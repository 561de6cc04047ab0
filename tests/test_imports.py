"""Modules import each other in one direction, and what only lists imports no torch."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

from robustbench_seg.registries import REGISTRIES

ROOT = Path(__file__).parents[1]
PACKAGE = "robustbench_seg"


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    found = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: dict[str, Path]) -> set[str]:
    """The modules of the package that one imports: at its top, under TYPE_CHECKING, or in a function."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (inner & set(known)) or {node.module}
        elif isinstance(node, ast.ImportFrom):
            raise AssertionError(f"{path}: relative import")
    return names & set(known)


def test_no_module_is_in_an_import_circle():
    known = modules()
    graph = {name: imports(path, known) for name, path in known.items()}
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))
    assert len(order) == len(known)


def test_reading_results_imports_no_torch():
    code = """
import sys
from robustbench_seg.checks.judge import rebuild
from robustbench_seg.report.write import write_report
assert not {"torch", "torchvision", "timm"} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", REGISTRIES)
def test_listing_imports_no_torch(kind):
    code = f"""
import sys
from robustbench_seg.cli import group
group.main(["list", "{kind}"], standalone_mode=False)
assert not {{"torch", "torchvision", "timm", "pandas", "scipy", "matplotlib"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout
