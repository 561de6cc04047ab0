"""Class sets by name or from a TOML file, and the checks on TOML tables shared with `dataset.toml`.

A classes file holds `name`, `classes` (a list of names, or a built-in set's name), optionally `palette`
([[r, g, b], ...]) and `[maps.<other set>]` tables of `"class there" = "class here"`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from robustbench_seg.classes import CLASS_SETS, VOID, ClassSet
from robustbench_seg.data.images import Colour, bad_file
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.registry import one_line, unknown

CLASS_KEYS = ("name", "classes", "palette", "maps")


def load_classes(spec: str) -> ClassSet:
    """The class set of a built-in name or of a TOML file.

    Raises:
        UsageError: neither a built-in name nor the path of a file.
        InputError: the file is missing or wrong.
    """
    if spec in CLASS_SETS:
        return CLASS_SETS[spec]
    path = Path(spec).expanduser()
    if path.suffix != ".toml" and not path.is_file():
        raise UsageError(f"{unknown('class set', spec, CLASS_SETS)} or give a .toml file")
    table = read_toml(path)
    check_keys(path, table, CLASS_KEYS)
    return parse_classes(path, table, path.stem)


def read_toml(path: Path) -> dict[str, object]:
    """The table of a TOML file; InputError where it is missing or not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise bad_file(path, f"cannot be read ({error.strerror})", "check the path; it must be a TOML file") from None
    except (ValueError, RecursionError) as error:
        raise bad_file(path, f"is not TOML ({one_line(error)})", "correct it there") from None


def unknown_in(path: Path, kind: str, name: str, known: Iterable[str]) -> InputError:
    """The error for a name in a file that nobody knows, with the nearest known ones; one line."""
    return InputError(" ".join(f"{path}: {unknown(kind, name, known)}".splitlines()))


def check_keys(path: Path, table: Mapping[str, object], known: Iterable[str]) -> None:
    """InputError for the first key that is not known, with the nearest known ones."""
    known = tuple(known)
    for key in table:
        if key not in known:
            raise unknown_in(path, "key", key, known)


def parse_classes(path: Path, table: Mapping[str, object], default_name: str) -> ClassSet:
    """The class set that a table's `classes`, `name`, `palette` and `maps` describe.

    A built-in set keeps its name; its palette may be replaced and maps added.

    Raises:
        InputError: one of the keys is missing, of another type, or contradicts another.
    """
    base = _base_set(path, table.get("classes"), str(table.get("name", default_name)))
    if "palette" in table:
        base = replace(base, palette=_palette(path, table["palette"], len(base)))
    return replace(base, maps={**base.maps, **_maps(path, table.get("maps", {}), base)})


def default_palette(count: int) -> tuple[Colour, ...]:
    """Distinct colours for up to 255 classes: the bits of 1, 2, 3, ... dealt to the high bits of R, G and B."""
    return tuple(_spread(index) for index in range(1, count + 1))


def colour(path: Path, value: object, what: str) -> Colour:
    """A checked RGB triple."""
    if isinstance(value, list) and len(value) == 3 and all(is_byte(part) for part in value):
        return (value[0], value[1], value[2])
    raise bad_file(path, f"{what} {value!r} is not a colour", "give [r, g, b], each a whole number from 0 to 255")


def is_byte(value: object) -> bool:
    """Whether a TOML value is a whole number from 0 to 255."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


def class_index(path: Path, classes: ClassSet, name: object) -> int:
    """The id of a class that a file names; InputError with the nearest names where the set lacks it."""
    index = classes.find(name) if isinstance(name, str) else None
    if index is None:
        raise unknown_in(path, f"class of {classes.name}", str(name), classes.names)
    return index


def _base_set(path: Path, value: object, name: str) -> ClassSet:
    if isinstance(value, str):
        if value not in CLASS_SETS:
            raise unknown_in(path, "class set", value, CLASS_SETS)
        return CLASS_SETS[value]
    names = _names(path, value)
    if name in CLASS_SETS:
        raise bad_file(path, f"name '{name}' is a built-in class set's", "give the listed classes another name")
    return ClassSet(name, names, default_palette(len(names)))


def _names(path: Path, value: object) -> tuple[str, ...]:
    fix = 'give classes = "cityscapes19", "camvid11" or a list of names in order of their ids'
    if value is None:
        raise bad_file(path, "has no classes", fix)
    if not isinstance(value, list) or not value:
        raise bad_file(path, f"classes = {value!r} is no list of names", fix)
    if len(value) > VOID:
        raise bad_file(path, f"lists {len(value)} classes", f"at most {VOID} fit, as id {VOID} is void")
    seen: set[str] = set()
    for name in value:
        if not isinstance(name, str) or not name.strip():
            raise bad_file(path, f"classes holds {name!r}, which is no name", fix)
        if name.strip().lower() in seen:
            raise bad_file(path, f"lists class '{name}' twice", "give every class its own name")
        seen.add(name.strip().lower())
    return tuple(name.strip() for name in value)


def _palette(path: Path, value: object, count: int) -> tuple[Colour, ...]:
    if not isinstance(value, list) or len(value) != count:
        found = f"has {len(value)} colours" if isinstance(value, list) else f"is {value!r}"
        raise bad_file(path, f"palette {found} for {count} classes", "give one [r, g, b] a class")
    colours = tuple(colour(path, entry, "palette entry") for entry in value)
    for index, entry in enumerate(colours):
        if entry in colours[:index]:
            raise bad_file(path, f"palette holds {list(entry)} twice", "give every class its own colour")
    return colours


def _maps(path: Path, value: object, classes: ClassSet) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict):
        raise bad_file(
            path, f"maps = {value!r} is no table", 'write [maps.<other set>] and "class there" = "class here"'
        )
    return {other: _map(path, other, entries, classes) for other, entries in value.items()}


def _map(path: Path, other: str, entries: object, classes: ClassSet) -> dict[str, str]:
    if not isinstance(entries, dict) or not entries:
        raise bad_file(path, f"[maps.{other}] holds no classes", 'write "class there" = "class here"')
    source = CLASS_SETS.get(other)
    for there in entries:
        if source is not None:
            class_index(path, source, there)
    return {there: classes.names[class_index(path, classes, here)] for there, here in entries.items()}


def _spread(index: int) -> Colour:
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return (channels[0], channels[1], channels[2])
