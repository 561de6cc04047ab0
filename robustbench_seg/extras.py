"""Libraries that are extras: installed by those who need them."""

from __future__ import annotations

import importlib
from typing import Any

from robustbench_seg.errors import UsageError


def library(module: str, extra: str) -> Any:
    """A library that is an extra; UsageError saying how to install it where it is not there."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UsageError(f"{module} is needed ({error}); pip install 'robustbench-seg[{extra}]'") from error
