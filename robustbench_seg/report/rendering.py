"""The template environment of every page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from robustbench_seg.report.pictures import data_uri

_SHARED = Path(__file__).parent / "templates"


def environment(*folders: Path) -> Environment:
    """Templates of `folders` and the shared ones. Every value is escaped: names, notes and paths are the user's."""
    templates = Environment(
        loader=FileSystemLoader([*folders, _SHARED]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["data_uri"] = data_uri
    return templates
