"""Tables as a page shows them: cells with a main number, small print under it, and a shade."""

from __future__ import annotations

from dataclasses import dataclass

from robustbench_seg.results.names import metric_text, share_text
from robustbench_seg.results.rows import CorruptionRow, Row, ScoreRow

DASH = "–"
NOT_RUN = "not in the protocol"
DOUBTED, NOT_BELIEVED = "✗", "not to be believed"
"""The sign and the words at a number that a check doubts."""


@dataclass(frozen=True)
class Cell:
    """What stands in one field: the number, lines under it, and the retained share (0..1) for its shade."""

    main: str
    small: tuple[str, ...] = ()
    shade: float | None = None
    title: str = ""


@dataclass(frozen=True)
class Line:
    """One row: what it is, a qualifier beside it, and its cells."""

    label: str
    tag: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table with a caption; `heads` are the columns after the first, `groups` spans above them (text, width)."""

    caption: str
    corner: str
    heads: tuple[str, ...]
    lines: tuple[Line, ...]
    groups: tuple[tuple[str, int], ...] = ()


def empty(reason: str) -> Cell:
    """A dash that says why; a cell that was never asked for says so only on hovering."""
    return Cell(DASH, () if reason == NOT_RUN else (reason,), title=reason)


def ratio_cell(row: Row | None) -> Cell:
    """Q with its interval, and the value it comes from."""
    if row is None or row.value is None:
        return empty(_reason(row))
    value = metric_text(row.task, row.metric, row.value)
    if row.ratio is None:
        return Cell(DASH, (value, _reason(row) or "Q undefined"), title="Q undefined")
    interval = "" if row.ratio_low is None else f"[{row.low:.3f}, {row.high:.3f}]"
    return _filled(row, f"{row.ratio:.3f}", interval, value)


def value_cell(row: Row | None) -> Cell:
    """The value, with Q under it."""
    if row is None or row.value is None:
        return empty(_reason(row))
    value = metric_text(row.task, row.metric, row.value)
    return _filled(row, value, "" if row.ratio is None else f"Q {row.ratio:.3f}")


def share_cell(row: Row | None) -> Cell:
    """A share of targets in per cent."""
    return empty(_reason(row)) if row is None or row.value is None else _filled(row, share_text(row.value))


def _filled(row: Row, main: str, *small: str) -> Cell:
    """A cell shaded by Q; under it also why it is not whole."""
    shade = None if row.ratio is None else min(max(row.ratio, 0.0), 1.0)
    return Cell(main, tuple(filter(None, (*small, _reason(row), *_doubts(row)))), shade)


def _doubts(row: Row) -> list[str]:
    """The checks that doubt a number, each on a line of its own: columns must stay narrow."""
    return [f"{DOUBTED} {name}" for name in row.doubts]


def doubted(row: Row | ScoreRow | CorruptionRow) -> str:
    """Which checks say that a number should not be believed; empty where none does."""
    return f"{DOUBTED} {NOT_BELIEVED}: {', '.join(row.doubts)}" if row.doubts else ""


def signed(value: float) -> str:
    """Three decimals with a sign, one digit of what is smaller, 0 for nothing at all."""
    shown = f"{value:+.3f}" if abs(value) >= 0.0005 else f"{value:+.1g}"
    return shown.replace("-", "−") if value else "0"


def text_cells(*texts: str) -> tuple[Cell, ...]:
    """Plain cells."""
    return tuple(Cell(text) for text in texts)


def _reason(row: Row | None) -> str:
    """Why a cell is empty or not whole; empty where it is whole."""
    if row is None:
        return NOT_RUN
    if row.failed:
        return f"failed, n = {row.n_images}" if row.value is not None else "failed"
    if not row.n_images:
        return "no image has it"
    return "" if row.value is not None else "no value"
