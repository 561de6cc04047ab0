"""Parameters of attacks and tasks: fields of a dataclass, set from a protocol, the command line or Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown

T = TypeVar("T")


def parameters_of(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """The parameters of a class by name; none where it is no dataclass."""
    return {field.name: field for field in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {}


def made(cls: type[T], params: Mapping[str, Any]) -> T:
    """An object with its parameters set; UsageError where one is unknown or of the wrong type."""
    known = parameters_of(cls)
    for key in params:
        if key not in known:
            listed = unknown(f"parameter of {cls.__name__}", key, known)
            raise UsageError(listed if known else f"{cls.__name__} has no parameters, so no '{key}'")
    return cls(**{key: _coerced(f"{cls.__name__}.{key}", value, known[key]) for key, value in params.items()})


def changed(thing: object) -> dict[str, Any]:
    """The parameters of an object that are not at their defaults."""
    values = {name: (getattr(thing, name), field.default) for name, field in parameters_of(type(thing)).items()}
    return {name: value for name, (value, default) in values.items() if value != default}


def _coerced(where: str, value: Any, field: dataclasses.Field[Any]) -> Any:
    """A TOML or command-line value as its parameter reads it, by itself or as the type of its default."""
    if "read" in field.metadata:
        return field.metadata["read"](value)
    default, wanted = field.default, type(field.default)
    if wanted is float and type(value) is int:
        return float(value)
    if type(value) is not wanted:
        raise UsageError(f"{where} = {value!r} must be of type {wanted.__name__}, such as {default!r}")
    return value
