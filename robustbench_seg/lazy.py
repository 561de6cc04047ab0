"""Modules that are imported when they are first used, so that what a file declares can be read without torch."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__all__ = ["F", "Tensor", "lazy_module", "torch"]


class _LazyModule:
    """Stands for a module; asking it for anything imports the module."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


def lazy_module(name: str) -> Any:
    """A stand-in for the module of that name; nothing is imported, and `sys.modules` stays as it is, until it is used.

    For type checkers the module is imported beside it under `TYPE_CHECKING`.
    """
    return _LazyModule(name)


if TYPE_CHECKING:
    import torch
    import torch.nn.functional as F
    from torch import Tensor
else:
    torch, F = lazy_module("torch"), lazy_module("torch.nn.functional")
    Tensor = Any  # for annotations alone
