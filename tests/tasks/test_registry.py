"""What tasks declare is read without torch."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from robustbench_seg.tasks.registry import BUILT_IN, TASKS

READ = """
import json, sys
from robustbench_seg.tasks.registry import TASKS
task = TASKS.get(sys.argv[1])()
declared = [task.title, task.group, task.class_curve, task.implausible(task.curve, 1.0, 19)]
declared += [(metric.title, metric.class_title, metric.unit) for metric in task.metrics]
declared += [(raw.title, raw.group) for raw in task.raw_losses]
print(json.dumps([declared, sorted({"torch", "torchvision", "pycocotools"} & set(sys.modules))]))
"""


@pytest.mark.parametrize("name", BUILT_IN)
def test_declarations_are_read_without_torch(name: str) -> None:
    done = subprocess.run([sys.executable, "-c", READ, name], capture_output=True, text=True, check=True)
    declared, imported = json.loads(done.stdout)
    assert declared[0] == TASKS.get(name)().title
    assert imported == []


def test_built_in_tasks_are_those_listed_as_such() -> None:
    assert {entry.name for entry in TASKS.entries() if entry.origin == "built-in"} == set(BUILT_IN)
