"""Tasks by the keys of their outputs."""

from __future__ import annotations

from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.registry import TASKS


def by_key(*keys: str) -> list[Task]:
    return [TASKS.get({"instances": "detection"}.get(key, key))() for key in keys]
