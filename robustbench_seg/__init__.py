"""robustseg: the robustness of segmentation and multi-task models at equal signal-to-noise ratio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robustbench_seg.registries import ATTACKS, DATASETS, MODELS
from robustbench_seg.tasks.registry import TASKS

if TYPE_CHECKING:
    from robustbench_seg.api import evaluate
    from robustbench_seg.results.run import Run

__all__ = ["ATTACKS", "DATASETS", "MODELS", "TASKS", "Run", "evaluate"]

_LAZY = {"evaluate": "robustbench_seg.api", "Run": "robustbench_seg.results.run"}


def __getattr__(name: str) -> Any:
    """Import what needs torch or pandas only when it is used."""
    if name not in _LAZY:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    import importlib

    return getattr(importlib.import_module(_LAZY[name]), name)
