"""The optional adv-lib (Rony, BSD-3-Clause): one of its modules at a time, without its plots and uncompiled.

adv-lib requires visdom, whose sdist no longer builds with current setuptools, so it is installed by
`pip install --no-deps adv-lib`: nothing else that these modules need is missing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import torch

_PACKAGE = "adv_lib.attacks"


def is_installed() -> bool:
    """Whether adv-lib can be imported; it is not."""
    return importlib.util.find_spec("adv_lib") is not None


def require(what: str) -> None:
    """UsageError where adv-lib is not installed."""
    if not is_installed():
        raise UsageError(f"{what} needs adv-lib; run pip install --no-deps adv-lib")


def load(module: str) -> Any:
    """The module of that path inside adv-lib (`attacks/auto_pgd`), by itself; UsageError where adv-lib is missing.

    The packages it lies in are not imported: they import all of adv-lib, and so `distutils`, which Python 3.12 lacks.
    """
    require(module)
    name = f"_adv_lib.{module}"
    if name not in sys.modules:
        sys.modules[name] = _executed(name, module)
    return sys.modules[name]


def _executed(name: str, module: str) -> ModuleType:
    package = importlib.util.find_spec("adv_lib")
    assert package is not None
    assert package.origin is not None
    spec = importlib.util.spec_from_file_location(name, Path(package.origin).parent / f"{module}.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    # Escapes such as "\i" in its docstrings warn when they are compiled.
    with warnings.catch_warnings(action="ignore"), _standing_in(package.origin), _uncompiled():
        spec.loader.exec_module(made)
    return made


def _uncompiled() -> contextlib.AbstractContextManager[object]:
    """`torch.compile` gives functions back as they are: its import takes longer than a small attack."""
    return mock.patch("torch.compile", lambda function: function)


@contextlib.contextmanager
def _standing_in(origin: str) -> Iterator[None]:
    """Modules in place of what its own import but do not use, for as long as adv-lib is imported.

    Those are visdom and distutils where they are missing, and the package of all attacks.
    """
    version = ModuleType("distutils.version")
    version.LooseVersion = torch.torch_version.TorchVersion  # type: ignore[attr-defined]
    attacks = ModuleType(_PACKAGE)
    attacks.__path__ = [str(Path(origin).parent / "attacks")]
    missing = {"visdom": ModuleType("visdom"), "distutils": ModuleType("distutils"), "distutils.version": version}
    found = {
        name: module for name, module in missing.items() if importlib.util.find_spec(name.partition(".")[0]) is None
    }
    found |= {} if _PACKAGE in sys.modules else {_PACKAGE: attacks}
    sys.modules.update(found)
    try:
        yield
    finally:
        for name in found:
            del sys.modules[name]
