"""The exit code of a command that shows numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from robustbench_seg.results.rows import Row

DONE, FAILED, DOUBTED = 0, 1, 4


def exit_code(rows: Iterable[Row]) -> int:
    """Return 4 where a number should not be believed, else 1 where a cell failed, else 0."""
    shown = list(rows)
    if any(row.doubts for row in shown):
        return DOUBTED
    return FAILED if any(row.failed for row in shown) else DONE
