"""robustseg: the robustness of segmentation and multi-task models at equal signal-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robustbench_seg.attacks.objectives.registry import OBJECTIVES
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.models.registry import MODELS, NETWORKS, POSE_NETWORKS
from robustbench_seg.protocol import PROTOCOLS
from robustbench_seg.tasks.registry import TASKS

if TYPE_CHECKING:
    from robustbench_seg.api.attack import Attacked, attack
    from robustbench_seg.api.evaluate import evaluate
    from robustbench_seg.api.models import load_model
    from robustbench_seg.api.run import Run
    from robustbench_seg.attacks.base import Perturbation
    from robustbench_seg.attacks.objectives.base import Objective
    from robustbench_seg.data.base import Dataset
    from robustbench_seg.tasks.base import Task

_LAZY = {
    "Attacked": "api.attack",
    "Dataset": "data.base",
    "Objective": "attacks.objectives.base",
    "Perturbation": "attacks.base",
    "Run": "api.run",
    "Task": "tasks.base",
    "attack": "api.attack",
    "evaluate": "api.evaluate",
    "load_model": "api.models",
}

__all__ = ["ATTACKS", "DATASETS", "MODELS", "NETWORKS", "OBJECTIVES", "POSE_NETWORKS", "PROTOCOLS", "TASKS"]
__all__ += ["Attacked", "Dataset", "Objective", "Perturbation", "Run", "Task", "attack", "evaluate", "load_model"]


def __getattr__(name: str) -> Any:
    """Import what needs torch or pandas only when it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
