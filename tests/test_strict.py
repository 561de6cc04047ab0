from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from robustbench_seg.errors import InputError
from robustbench_seg.models.catalogue.toml_writer import dumps
from robustbench_seg.strict import from_table, read_toml


@dataclass(frozen=True)
class Inner:
    kind: Literal["a", "b"]
    pair: tuple[int, float] = (1, 2.0)


@dataclass(frozen=True)
class Outer:
    inner: Inner
    weights: dict[str, float]
    maybe: int | None = None
    free: dict[str, Any] = field(default_factory=dict)


def test_reads_nested_tables():
    table = {"inner": {"kind": "b", "pair": [3, 4]}, "weights": {"x": 1}, "maybe": 5, "free": {"y": [1, "z"]}}
    assert from_table(Outer, table, "f") == Outer(Inner("b", (3, 4.0)), {"x": 1.0}, 5, {"y": [1, "z"]})


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"weights": {}}, "f: missing key 'inner'"),
        ({"inner": 3, "weights": {}}, "f: inner: must be a table, not 3"),
        ({"inner": {"kind": "c"}, "weights": {}}, "f: inner: kind: must be one of a, b, not 'c'"),
        ({"inner": {"kind": "a", "pair": [1]}, "weights": {}}, "f: inner: pair: must have 2 entries"),
        ({"inner": {"kind": "a", "pair": [1.5, 2]}, "weights": {}}, r"f: inner: pair\[0\]: must be int"),
        ({"inner": {"kind": "a"}, "weights": {"x": True}}, r"f: weights\.x: must be float, not True"),
        ({"inner": {"kind": "a"}, "weights": [1]}, "f: weights: must be"),
        ({"inner": {"kind": "a"}, "weights": {}, "maybe": "1"}, "f: maybe: must be int"),
        ({"inner": {"kind": "a"}, "weights": {}, "wheights": {}}, "did you mean weights"),
    ],
)
def test_errors_name_the_place(table, message):
    with pytest.raises(InputError, match=message):
        from_table(Outer, table, "f")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_toml(tmp_path / "none.toml")
    with pytest.raises(InputError, match="cannot be read"):
        read_toml(tmp_path)


def test_writer_round_trips():
    table = {
        "text": 'quotes " backslash \\ newline \n tab \t delete \x7f ünï',
        "flag": True,
        "number": 3,
        "real": 1e-5,
        "list": [[1, 2], [3, 4]],
        "table": {"with space": 1, "a-b_c": {"deep": "x"}, "only": {"nested": {"y": 2.0}}},
    }
    assert tomllib.loads(dumps(table)) == table
