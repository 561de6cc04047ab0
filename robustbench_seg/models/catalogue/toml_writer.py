"""Writes the small TOML files of the catalogue; the standard library only reads TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def dumps(table: Mapping[str, Any]) -> str:
    """TOML text of nested mappings of str, bool, int, float and sequences; empty mappings and None are dropped."""
    return "\n".join(_table(table, ())).strip() + "\n"


def _table(table: Mapping[str, Any], path: tuple[str, ...]) -> list[str]:
    scalars = {key: value for key, value in table.items() if value is not None and not isinstance(value, Mapping)}
    plain = [f"{_key(key)} = {_value(value)}" for key, value in scalars.items()]
    lines = [f"\n[{'.'.join(map(_key, path))}]", *plain] if path and plain else plain
    for key, value in table.items():
        if isinstance(value, Mapping):
            lines += _table(value, (*path, key))
    return lines


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() and key.isascii() else _string(key)


def _string(text: str) -> str:
    # JSON's escapes are a subset of TOML's, except that TOML also wants DEL escaped.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(item) for item in value)}]"
    return repr(value)
