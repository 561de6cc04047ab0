"""Keyword arguments of the library calls, checked against the types that their names are declared with."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown

Hints = Mapping[str, Any]
"""Types by name."""


def keyword_hints(function: Callable[..., Any]) -> Hints:
    """The types of a function's keyword arguments by name."""
    hints = typing.get_type_hints(function)
    parameters = inspect.signature(function).parameters.items()
    return {name: hints[name] for name, each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY}


def check_options(call: str, given: Mapping[str, Any], hints: Hints) -> None:
    """UsageError for an unknown name, or a value of a type that its name does not take."""
    for name, value in given.items():
        if name not in hints:
            raise UsageError(unknown(f"option of {call}", name, hints))
        known = [each for each in typing.get_args(hints[name]) or (hints[name],) if isinstance(each, type)]
        if _is_plain(hints[name]) and not _fits(value, known):
            listed = " or ".join("None" if each is types.NoneType else each.__name__ for each in known)
            raise UsageError(f"{name}={_shown(value)} is a {type(value).__name__}; give {listed}")


def texts(name: str, value: object) -> tuple[str, ...]:
    """One text or several as a tuple; UsageError for anything else."""
    if isinstance(value, str):
        return (value,)
    found = tuple(value) if isinstance(value, Iterable) else (None,)
    if not all(isinstance(text, str) for text in found):
        raise UsageError(f"{name}={_shown(value)} is a {type(value).__name__}; give a text or a sequence of texts")
    return found


def _is_plain(hint: Any) -> bool:
    """Whether a type, or each of a union, can be asked of a value."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        return all(isinstance(each, type) for each in typing.get_args(hint))
    return isinstance(hint, type) and typing.get_origin(hint) is None


def _fits(value: object, known: Iterable[type]) -> bool:
    """As isinstance, but a bool is no number, and a whole number is one with a point."""
    if isinstance(value, bool):
        return bool in known
    return isinstance(value, tuple(known)) or (isinstance(value, int) and float in known)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 and "\n" not in text else "…"
