"""Differences of the metric and of the metric ratio Q between groups of models, over the same images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import pandas as pd

from robustbench_seg.report.differences.compare import compare
from robustbench_seg.report.differences.difference import Difference
from robustbench_seg.report.differences.groups import Group
from robustbench_seg.report.rows import Run

__all__ = ["Difference", "differences", "differences_table"]


def differences(
    runs: Sequence[Run], groups: Sequence[Group], pairs: Sequence[tuple[str, str]] | None = None
) -> list[Difference]:
    """The differences alone; see `compare.compare` for what is compared, and for the notes."""
    return list(compare(runs, groups, pairs).differences)


def differences_table(found: Sequence[Difference]) -> pd.DataFrame:
    """A row a difference: its fields in order, then `verdict`."""
    names = [field.name for field in fields(Difference)]
    values = [[*(getattr(one, name) for name in names), one.verdict] for one in found]
    return pd.DataFrame(values, columns=pd.Index([*names, "verdict"]))
