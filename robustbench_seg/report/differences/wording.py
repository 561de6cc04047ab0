"""How differences and their intervals read."""

from __future__ import annotations

from collections.abc import Sequence

from robustbench_seg.report.names import METRICS
from robustbench_seg.results.differences import Difference


def pair_name(one: Difference) -> str:
    """What is subtracted from what."""
    return f"{one.second} − {one.first}"


def signed(value: float) -> str:
    """Three decimals with a sign, one digit of what is smaller, 0 for nothing at all."""
    shown = f"{value:+.3f}" if abs(value) >= 0.0005 else f"{value:+.1g}"
    return shown.replace("-", "−") if value else "0"


def amount(one: Difference) -> str:
    """The difference with the unit of its metric; Q has none."""
    unit = METRICS.get(one.metric, ("", ""))[1] if one.quantity == "value" else ""
    return f"{signed(one.difference)} {unit}".rstrip()


def intervals(one: Difference) -> list[str]:
    """Each interval that is there: `images [−0.012, +0.034]`."""
    return [f"{name} [{signed(low)}, {signed(high)}]" for name, (low, high) in one.intervals.items()]


def reason(one: Difference) -> str:
    """Why two groups are not told apart: which intervals hold 0."""
    if not one.intervals:
        return "no interval"
    holding_0 = [name for name, (low, high) in one.intervals.items() if low <= 0 <= high]
    if not holding_0:
        return "the intervals disagree"
    return f"interval{'s' if len(holding_0) > 1 else ''} from {listed(holding_0)}"


def listed(parts: Sequence[str]) -> str:
    """Words in a row: `a, b and c`."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
