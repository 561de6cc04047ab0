"""No fact of a task outside its file: the few files elsewhere that quote a task's name, each with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import robustbench_seg
from robustbench_seg.tasks.registry import BUILT_IN

ROOT = Path(robustbench_seg.__file__).parent
AT_HOME = ("tasks", "data", "street", "studies")
"""Where tasks are declared, where labels are made, and where papers are repeated."""
QUOTED = {
    "attacks/alma.py": "its default objective: ALMA is defined on a segmentation",
    "attacks/dag.py": "its default objective: DAG is defined on a segmentation",
    "attacks/sources/adapter.py": "the task that other libraries' attacks are on",
    "models/base.py": "a network without declared tasks is taken for a segmentation network",
    "models/blocks/instance_head.py": "the branches of UniNet's instance head",
    "models/blocks/depthnet.py": "the way of a gradient, not a task: through the guide, or through depth",
}


def quoted(path: Path) -> Iterator[str]:
    """The constants of a file that are a task's name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and node.value in BUILT_IN:
            yield node.value


def test_task_names_are_quoted_where_there_is_a_reason():
    files = [path.relative_to(ROOT) for path in sorted(ROOT.rglob("*.py"))]
    found = {path.as_posix() for path in files if path.parts[0] not in AT_HOME and list(quoted(ROOT / path))}
    assert found == set(QUOTED)
