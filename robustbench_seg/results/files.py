"""Writing files so that they are either the old or the new ones."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pandas as pd

from robustbench_seg.errors import InputError


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a CSV with six significant digits, an epsilon such that it reads back exactly, empty where unknown."""
    if "epsilon" in table.columns:
        table = table.assign(epsilon=[epsilon_field(value) for value in table["epsilon"]])
    write_text(table.to_csv(index=False, float_format="%.6g", lineterminator="\n"), path)


def epsilon_field(epsilon: float | None) -> str:
    """The shortest text that reads back as this epsilon; empty where it is unbounded (None or NaN)."""
    if epsilon is None or math.isnan(epsilon):
        return ""
    short = f"{epsilon:.6g}"
    return short if float(short) == epsilon else repr(float(epsilon))


def write_text(text: str, path: Path) -> None:
    """Write a text in UTF-8; see `write_bytes`."""
    write_bytes(text.encode(), path)


def write_bytes(data: bytes, path: Path) -> None:
    """Write a file so that it is either the old or the new one; InputError where it cannot be."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise InputError(f"'{path}' cannot be written: {error.strerror}; free space or give another -o") from error
