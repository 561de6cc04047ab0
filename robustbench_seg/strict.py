"""Strict reading of TOML into dataclasses: every unknown key, missing key and wrong type is a one-line error."""

from __future__ import annotations

import contextlib
import math
import tomllib
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from robustbench_seg.errors import InputError
from robustbench_seg.registry import one_line, unknown

T = TypeVar("T")

_SHOWN = 200
"""How many characters of a wrong value an error shows."""


@dataclass(frozen=True)
class Range:
    """The bounds of a number, both included, in a field's type: `Annotated[int, Range(1)]`."""

    low: float = -math.inf
    high: float = math.inf

    def __str__(self) -> str:
        return f"at least {self.low:g}" if self.high == math.inf else f"from {self.low:g} to {self.high:g}"


def read_toml(path: Path) -> dict[str, Any]:
    """The table in a TOML file; InputError where it is missing, unreadable or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None
    except (ValueError, RecursionError) as error:  # tomllib's own, and that of numbers with thousands of digits
        raise InputError(f"{path}: not valid TOML: {one_line(error)}") from None


def fault(where: object, what: str) -> InputError:
    """The error for a place in a file, such as its path; always one line."""
    return InputError(" ".join(f"{where}: {what}".splitlines()))


def from_table(cls: type[T], table: object, where: str) -> T:
    """Builds dataclass `cls` from a table; `where` (file and section) opens every error.

    Understood are str, int, float (integers pass), bool, Literal, tuples, mappings, unions, dataclasses, and numbers
    annotated with a `Range`.
    """
    if not isinstance(table, Mapping):
        raise InputError(f"{where}: must be a table, not {_shown(table)}")
    hints = get_type_hints(cls, include_extras=True)
    # A key that Python has a meaning for is a field with an underscore behind it.
    known: dict[str, Field[Any]] = {f.name.removesuffix("_"): f for f in fields(cls)}  # type: ignore[arg-type]
    for key in table:
        if key not in known:
            raise fault(where, f"{unknown('key', key, known)}; correct or remove it")
    missing = [name for name, f in known.items() if name not in table and not _has_default(f)]
    if missing:
        hint = hints[known[missing[0]].name]
        raise InputError(f"{where}: missing key {missing[0]!r}; add it ({_describe(hint)})")
    values = {known[key].name: convert(hints[known[key].name], x, f"{where}: {key}") for key, x in table.items()}
    try:
        return cls(**values)
    except ValueError as error:
        raise InputError(f"{where}: {error}") from None


def known_part(cls: type[T], table: object, where: str) -> T:
    """The same from the keys of a table that the dataclass has; others are left alone."""
    names = {field.name for field in fields(cls)}  # type: ignore[arg-type]
    known = {key: table[key] for key in table if key in names} if isinstance(table, Mapping) else table
    return from_table(cls, known, where)


def convert(hint: Any, value: object, where: str) -> Any:
    """`value` as the type `hint`, or InputError."""
    if is_dataclass(hint) and isinstance(hint, type):
        return from_table(hint, value, where)
    converter = _CONVERTERS.get(get_origin(hint), _plain)
    return converter(hint, value, where)


def _has_default(f: Field[Any]) -> bool:
    return f.default is not MISSING or f.default_factory is not MISSING


def _describe(hint: Any) -> str:
    if get_origin(hint) in _KINDS:
        return _KINDS[get_origin(hint)]
    return hint.__name__ if isinstance(hint, type) and not get_args(hint) else str(hint).replace("typing.", "")


def _wrong(hint: Any, value: object, where: str) -> InputError:
    return fault(where, f"must be {_describe(hint)}, not {_shown(value)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _plain(hint: Any, value: object, where: str) -> Any:
    if hint is Any or hint is object:
        return value
    if hint is float and type(value) is int:
        with contextlib.suppress(OverflowError):
            return float(value)
    # bool is an int to isinstance; a card that says `batch = true` is wrong.
    if type(value) is not hint:
        raise _wrong(hint, value, where)
    return value


def _annotated(hint: Any, value: object, where: str) -> Any:
    inner, bounds = get_args(hint)
    number = convert(inner, value, where)
    if not (bounds.low <= number <= bounds.high and math.isfinite(number)):
        raise fault(where, f"must be {bounds}, not {_shown(value)}")
    return number


def _literal(hint: Any, value: object, where: str) -> Any:
    # True is equal to 1.
    if not any(value == option and type(value) is type(option) for option in get_args(hint)):
        raise fault(where, f"must be one of {', '.join(map(str, get_args(hint)))}, not {_shown(value)}")
    return value


def _tuple(hint: Any, value: object, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise _wrong(hint, value, where)
    inner = get_args(hint)
    types_ = [inner[0]] * len(value) if inner[-1] is Ellipsis else list(inner)
    if len(types_) != len(value):
        raise fault(where, f"must have {len(types_)} entries, not {len(value)}")
    return tuple(convert(t, v, f"{where}[{i}]") for i, (t, v) in enumerate(zip(types_, value, strict=True)))


def _mapping(hint: Any, value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(hint, value, where)
    return {key: convert(get_args(hint)[1], item, f"{where}.{key}") for key, item in value.items()}


def _union(hint: Any, value: object, where: str) -> Any:
    """The first type that fits; the error is that of the last one."""
    *others, last = (t for t in get_args(hint) if t is not type(None))
    for inner in others:
        with contextlib.suppress(InputError):
            return convert(inner, value, where)
    return convert(last, value, where)


_KINDS: dict[Any, str] = {tuple: "a list", Mapping: "a table", dict: "a table"}
_CONVERTERS = {
    Annotated: _annotated,
    Literal: _literal,
    tuple: _tuple,
    Mapping: _mapping,
    dict: _mapping,
    Union: _union,
    types.UnionType: _union,
}
