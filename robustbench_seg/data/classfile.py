"""Class sets by name or from a TOML file, and the table that describes one there, in cards and in `dataset.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from robustbench_seg.classes import CLASS_SETS, REST, VOID, ClassSet, default_palette
from robustbench_seg.data.images import Colour, bad_file
from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown
from robustbench_seg.strict import fault, from_table, read_toml


@dataclass(frozen=True)
class ClassesTable:
    """`classes` (a list of names, or a built-in set's name), its `name`, and optionally more about the classes.

    `palette` is [[r, g, b], ...], and `[maps.<other set>]` are tables of `"class there" = "class here"`, where `"*"`
    stands for all others there.
    """

    name: str | None = None
    classes: str | tuple[str, ...] | None = None
    palette: tuple[Colour, ...] | None = None
    maps: dict[str, dict[str, str]] = field(default_factory=dict)

    def class_set(self, path: Path, default_name: str) -> ClassSet:
        """The class set that this table of the file `path` describes.

        A built-in set keeps its name; its palette may be replaced and maps added. InputError where `classes` is missing
        or one key contradicts another.
        """
        base = _base_set(path, self.classes, self.name or default_name)
        if self.palette is not None:
            _check_palette(path, self.palette, len(base))
            base = replace(base, palette=self.palette)
        maps = {other: _map(path, other, entries, base) for other, entries in self.maps.items()}
        return replace(base, maps={**base.maps, **maps})


def load_classes(spec: str) -> ClassSet:
    """The class set of a built-in name or of a TOML file.

    UsageError where it is neither a built-in name nor the path of a file, InputError where the file is wrong.
    """
    if spec in CLASS_SETS:
        return CLASS_SETS[spec]
    path = Path(spec).expanduser()
    if path.suffix != ".toml" and not path.is_file():
        raise UsageError(f"{unknown('class set', spec, CLASS_SETS)} or give a .toml file")
    return from_table(ClassesTable, read_toml(path), str(path)).class_set(path, path.stem)


def class_index(path: Path, classes: ClassSet, name: str) -> int:
    """The id of a class that a file names; InputError with the nearest names where the set lacks it."""
    index = classes.find(name)
    if index is None:
        raise fault(path, unknown(f"class of {classes.name}", name, classes.names))
    return index


def _base_set(path: Path, classes: str | tuple[str, ...] | None, name: str) -> ClassSet:
    if isinstance(classes, str):
        if classes not in CLASS_SETS:
            raise fault(path, unknown("class set", classes, CLASS_SETS))
        return CLASS_SETS[classes]
    if not classes:
        fix = 'give classes = "cityscapes19", "camvid11" or a list of names in order of their ids'
        raise bad_file(path, "has no classes", fix)
    if name in CLASS_SETS:
        raise bad_file(path, f"name '{name}' is a built-in class set's", "give the listed classes another name")
    names = tuple(entry.strip() for entry in classes)
    _check_names(path, names)
    return ClassSet(name, names, default_palette(len(names)))


def _check_names(path: Path, names: tuple[str, ...]) -> None:
    if len(names) > VOID:
        raise bad_file(path, f"lists {len(names)} classes", f"at most {VOID} fit, as id {VOID} is void")
    lower = [name.lower() for name in names]
    for index, name in enumerate(names):
        if not name:
            raise bad_file(path, "lists a class without a name", "give every class a name")
        if lower[index] in lower[:index]:
            raise bad_file(path, f"lists class '{name}' twice", "give every class another name")


def _check_palette(path: Path, palette: tuple[Colour, ...], count: int) -> None:
    if len(palette) != count:
        raise bad_file(path, f"palette has {len(palette)} colours for {count} classes", "give one [r, g, b] per class")
    for index, colour in enumerate(palette):
        if colour in palette[:index]:
            raise bad_file(path, f"palette holds {list(colour)} twice", "give every class another colour")


def _map(path: Path, other: str, entries: Mapping[str, str], classes: ClassSet) -> dict[str, str]:
    if not entries:
        raise bad_file(path, f"[maps.{other}] holds no classes", 'write "class there" = "class here"')
    if other in CLASS_SETS:
        for there in entries.keys() - {REST}:
            class_index(path, CLASS_SETS[other], there)
    return {there: classes.names[class_index(path, classes, here)] for there, here in entries.items()}
