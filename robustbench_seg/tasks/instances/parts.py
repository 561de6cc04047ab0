"""The mathematics of instances, imported when it is first used: it needs torch, and what tasks declare does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustbench_seg.lazy import lazy_module

__all__ = ["assign", "dense", "losses", "matching", "positives", "precision", "truth"]

if TYPE_CHECKING:
    from robustbench_seg.tasks.instances import assign, dense, losses, matching, positives, precision, truth
else:
    assign, dense, losses, matching, positives, precision, truth = (
        lazy_module(f"robustbench_seg.tasks.instances.{name}") for name in __all__
    )
