"""Networks from custom code, `FILE.py:factory` and `package.module:factory`, and from sources, `torchvision:NAME`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from robustbench_seg.errors import InputError, RobustsegError, UsageError
from robustbench_seg.models.adapters.weights import refuse_as_model
from robustbench_seg.models.registry import SOURCES
from robustbench_seg.registry import described, run_file, unknown

FORMS = "FILE.py:factory, package.module:factory, hf:FOLDER, smp:ARCH/ENCODER, torchvision:NAME or onnx:FILE"


def make(spec: str, num_classes: int) -> nn.Module:
    """The network that a spec names. What the user's code raises becomes one InputError line."""
    kind, _, rest = spec.partition(":")
    if kind in SOURCES and rest:
        return SOURCES.get(kind)().network(rest, num_classes)
    source, _, name = spec.rpartition(":")
    if not source or not name:
        raise UsageError(f"model {spec!r}: use {FORMS}")
    module = _imported(source, spec)
    if not hasattr(module, name):
        public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise UsageError(f"model {spec!r}: {unknown('factory', name, public)} in {source}")
    target = getattr(module, name)
    made = target if isinstance(target, nn.Module) else _call(target, spec)
    if not isinstance(made, nn.Module):
        raise InputError(
            f"model {spec!r}: the factory returned {type(made).__name__}; it must return a torch.nn.Module"
        )
    if lazy := [name for name, value in made.named_parameters() if is_lazy(value)]:
        raise InputError(f"model {spec!r}: {lazy[0]} has no shape yet; run the network once in the factory")
    return made


def note(spec: str, options: Mapping[str, Any]) -> str:
    """What the source of a network says of it, opened with these options; empty where that is nothing."""
    kind, _, rest = spec.partition(":")
    said = SOURCES.get(kind)().note(rest, options) if kind in SOURCES else ""
    return f"{spec}: {said}" if said else ""


def declared(spec: str) -> Mapping[str, Any]:
    """What the source of a network says of it, as `load_checkpoint` takes it; nothing for custom code."""
    kind, _, rest = spec.partition(":")
    return SOURCES.get(kind)().options(rest) if kind in SOURCES and rest else {}


def _call(target: object, spec: str) -> object:
    if not callable(target):
        raise InputError(f"model {spec!r}: {type(target).__name__} is neither a factory nor a torch.nn.Module")
    return _guarded(target, f"model {spec!r}: the factory failed")


def _imported(source: str, spec: str) -> object:
    if not source.endswith(".py"):
        if Path(source).is_file():
            refuse_as_model(Path(source))
        what = f"model {spec!r}: importing {source} failed"
        return _guarded(lambda: importlib.import_module(source), what, Path.cwd())
    path = Path(source)
    if not path.is_file():
        raise InputError(f"model {spec!r}: no such file {path}")
    return _guarded(lambda: run_file(path, "model"), f"model {spec!r}", path.resolve().parent)


def _guarded(run: Callable[[], object], what: str, folder: Path | None = None) -> object:
    """Runs the user's code with `folder` importable; whatever it raises becomes one line."""
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
    try:
        return run()
    except RobustsegError:
        raise
    except (Exception, SystemExit) as error:
        raise InputError(f"{what}: {described(error)}") from error
