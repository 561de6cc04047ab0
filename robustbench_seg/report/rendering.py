"""The template environment of every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from robustbench_seg.report.pictures import data_uri
from robustbench_seg.results.rows import unique

_SHARED = Path(__file__).parent / "templates"


def environment(*folders: Path) -> Environment:
    """Templates of `folders` and the shared ones. Every value is escaped: names, notes and paths are the user's."""
    made = Environment(
        loader=FileSystemLoader([*folders, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["data_uri"] = data_uri
    made.filters["keys"] = _keys
    return made


def _keys(mappings: Sequence[Mapping[str, Any]]) -> list[str]:
    return unique([key for mapping in mappings for key in mapping])
