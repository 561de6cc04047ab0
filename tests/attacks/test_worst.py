"""The worst case is an attack on tasks' own losses that is not run."""

from __future__ import annotations

import pytest

from robustbench_seg.attacks.worst import Worst
from robustbench_seg.errors import UsageError
from tests.tasks.by_key import by_key


def test_it_is_of_tasks_alone():
    tasks = {task.name: task for task in by_key("semantic", "depth")}
    assert [objective.name for objective in Worst().objectives(None, tasks)] == ["semantic", "depth"]
    with pytest.raises(UsageError, match="worst has no objective 'hide:person@depth': it needs a task, as in semantic"):
        Worst().objectives(["hide:person@depth"], tasks)


def test_it_is_not_run(world):
    with pytest.raises(UsageError, match="evaluate it beside them"):
        Worst()(world.context(Worst(), "semantic"), 1.0)
