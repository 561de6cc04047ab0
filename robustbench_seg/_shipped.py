"""Where the folders that ship beside the code are: inside the installed package, else in the repository."""

from __future__ import annotations

from pathlib import Path


def shipped(name: str) -> Path:
    """The folder `attacks` or `models` that ships with the project."""
    package = Path(__file__).resolve().parent
    installed = package / "_shipped" / name
    return installed if installed.is_dir() else package.parent / name
