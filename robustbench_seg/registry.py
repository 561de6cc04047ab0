"""The one registry: attacks, models, data sets, protocols and tasks by name, each with its origin.

Built-in entries are written as `module:attribute` and imported only when used, so that listing needs no
torch. Others come from a decorator, from entry points (`robustseg.attacks`, ...) and from `--plugin FILE`.
"""

from __future__ import annotations

import contextlib
import contextvars
import difflib
import importlib
import importlib.metadata
import importlib.util
import inspect
import sys
import tomllib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from robustbench_seg.errors import InputError, UsageError

T = TypeVar("T")
_origin = contextvars.ContextVar("origin", default="python")
_active: set[str] = set()
"""Origins that have registered something, by decorator."""


@dataclass(frozen=True)
class Entry:
    """A name, where it comes from, one line about it, and how to load the target.

    `announced` is the module an entry point names: a decorator in that very module is the same entry.
    """

    name: str
    origin: str
    summary: str
    load: Callable[[], object]
    announced: str = ""


class Registry(Generic[T]):
    """Names of one kind. A second, different entry of a name raises; an unknown name suggests the nearest.

    `fault` says what is wrong with a target, and is empty where nothing is; a target is asked for when it is loaded.
    `further` has the entries of names that are not listed, such as those of a library; it may refuse one by UsageError.
    """

    def __init__(
        self,
        kind: str,
        plural: str,
        discover: Callable[[], Iterable[Entry]],
        fault: Callable[[T], str] = lambda target: "",
        further: Callable[[str], Entry | None] = lambda name: None,
    ) -> None:
        self.kind = kind
        self.plural = plural
        self._discover = discover
        self._fault = fault
        self._further = further
        self._entries: dict[str, Entry] | None = None
        self._loaded: dict[Entry, object] = {}

    def register(self, name: str, summary: str = "") -> Callable[[T], T]:
        """Decorator: add a target under `name` (lower snake case); its first docstring line is the summary."""

        def add(target: T) -> T:
            _active.add(_origin.get())
            text = summary or (getattr(target, "__doc__", None) or "").strip().partition("\n")[0]
            self.add(Entry(name, _origin.get(), text, lambda: target))
            return target

        return add

    def add(self, entry: Entry) -> None:
        """Add an entry; UsageError where the name is taken by another target."""
        known = self._all()
        taken = known.get(entry.name)
        if taken is None:
            known[entry.name] = entry
        elif taken.announced and taken.announced == getattr(entry.load(), "__module__", None):
            known[entry.name] = replace(entry, origin=taken.origin)
        elif taken.load() is not entry.load():
            raise UsageError(
                f"{self.kind} '{entry.name}' from {entry.origin} is already registered by {taken.origin}; rename one"
            )

    def get(self, name: str) -> T:
        """The target of that name, imported now; UsageError with the nearest names where there is none.

        InputError where the target cannot be used.
        """
        return self.entry(name).load()  # type: ignore[return-value]

    def entry(self, name: str) -> Entry:
        """The entry of that name, not loaded; UsageError where there is none."""
        known = self._all()
        found = known.get(name) or self._further(name)
        if found is None:
            raise UsageError(unknown(self.kind, name, known, f"robustseg list {self.plural}"))
        return replace(found, load=partial(self._load, found))

    def entries(self) -> list[Entry]:
        """All entries, sorted by name."""
        return [self._all()[name] for name in self]

    def __contains__(self, name: object) -> bool:
        try:
            return name in self._all() or (isinstance(name, str) and self._further(name) is not None)
        except UsageError:
            return False

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._all()))

    def _load(self, entry: Entry) -> object:
        if entry not in self._loaded:
            target = entry.load()
            if fault := self._fault(target):  # type: ignore[arg-type]
                raise InputError(f"{self.kind} '{entry.name}': {fault}")
            self._loaded[entry] = target
        return self._loaded[entry]

    def _all(self) -> dict[str, Entry]:
        if self._entries is None:
            self._entries = {}
            try:
                for entry in (*self._discover(), *_entry_points(f"robustseg.{self.plural}")):
                    self.add(entry)
            except BaseException:
                # Half a registry must not look whole at the next call.
                self._entries = None
                raise
        return self._entries


def unknown(kind: str, name: str, known: Iterable[str], where: str = "") -> str:
    """The one line for a name nobody knows: the nearest names, or where to look."""
    names = {each.casefold(): each for each in known}
    if near := difflib.get_close_matches(name.casefold(), names, n=2, cutoff=0.6):
        hint = f"did you mean {' or '.join(names[each] for each in near)}?"
    else:
        hint = f"see `{where}`" if where else f"known: {', '.join(names.values())}"
    return f"unknown {kind} '{name}'; {hint}"


def lazy(target: str) -> Callable[[], Any]:
    """A loader of `module:attribute`."""
    module, _, attribute = target.partition(":")
    return lambda: getattr(importlib.import_module(module), attribute)


def built_in(kind: str, rows: Mapping[str, tuple[str, str]], file: str) -> Iterator[Entry]:
    """Entries of what ships, from `name: (module:attribute within the package, summary)` as it stands in `file`."""
    for name, (target, summary) in rows.items():
        yield Entry(name, "built-in", summary, partial(_load_built_in, f"{kind} '{name}'", target, file))


def _load_built_in(what: str, target: str, file: str) -> object:
    module, _, attribute = target.partition(":")
    full = f"robustbench_seg.{module}"
    try:
        found = importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name != full:  # what the module itself imports
            raise
        raise InputError(f"{what}: there is no module {module}; correct its line in {file}") from None
    if not hasattr(found, attribute):
        raise InputError(f"{what}: {module} has no '{attribute}'; correct its line in {file}")
    return getattr(found, attribute)


def lacking(cls: type, declared: Iterable[str] = ()) -> str:
    """What a class still has to write, as in "title, run(context, budget)"; `declared` are names that need a value."""
    values = [name for name in declared if not hasattr(cls, name)]
    methods = {
        name: list(inspect.signature(getattr(cls, name)).parameters)[1:]
        for name in sorted(getattr(cls, "__abstractmethods__", ()))
    }
    return ", ".join([*values, *(f"{name}({', '.join(parameters)})" for name, parameters in methods.items())])


def summary_of(file: Path) -> str:
    """The `summary` of a TOML file, without reading the rest strictly: a listing survives a bad file."""
    try:
        return str(tomllib.loads(file.read_text(encoding="utf-8")).get("summary", ""))
    except (OSError, ValueError):
        return "(unreadable)"


def load_plugin(path: str | Path) -> None:
    """Run a plugin file; what its decorators register has the file as origin. Loading it twice does nothing.

    Raises InputError where the file is missing, raises, or registers nothing.
    """
    file = Path(path)
    if not file.is_file():
        raise InputError(f"plugin '{path}' is not a file; give --plugin a Python file")
    origin = f"plugin {file.name}"
    with _registering(origin):
        run_file(file, "plugin")
    if origin not in _active:
        raise InputError(f"plugin '{path}' registers nothing; put @TASKS.register(\"name\") above a class, or the like")


def run_file(path: Path, what: str) -> object:
    """Import a Python file as a module, once; errors name the file and line."""
    name = f"_robustseg_{what}_{path.stem}_{abs(hash(str(path.resolve())))}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{what} '{path}' cannot be imported; give a .py file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except UsageError:
        del sys.modules[name]
        raise
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == spec.origin]
        line = f" line {frames[-1].lineno}" if frames else ""
        raise InputError(f"{what} '{path}'{line}: {described(error)}") from error
    return module


def one_line(error: BaseException) -> str:
    """An exception's text without line breaks."""
    return " ".join(str(error).split())


def some(values: Iterable[object], shown: int = 4) -> str:
    """The first of some values, and how many more there are."""
    every = list(map(str, values))
    return ", ".join(every[:shown]) + (f" and {len(every) - shown} more" if len(every) > shown else "")


def printable(name: str) -> str:
    """A name out of a file, fit for a line: without control characters, and shortened."""
    clean = "".join(character if character.isprintable() else "?" for character in name)
    return clean if len(clean) <= 80 else f"{clean[:60]}…{clean[-19:]}"


def described(error: BaseException) -> str:
    """An exception in one line: its type and its text, which alone may be no more than a key."""
    return f"{type(error).__name__}: {one_line(error)}"


@contextlib.contextmanager
def _registering(origin: str) -> Iterator[None]:
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)


def _entry_points(group: str) -> Iterator[Entry]:
    for point in importlib.metadata.entry_points(group=group):
        owner = f"{point.dist.name} {point.dist.version}" if point.dist else "entry point"
        yield Entry(point.name, owner, point.value, partial(_load_point, point, owner), announced=point.module)


def _load_point(point: importlib.metadata.EntryPoint, owner: str) -> object:
    try:
        with _registering(owner):
            return point.load()
    except Exception as error:
        raise InputError(
            f"entry point '{point.name}' of {owner} fails to load: {described(error)}; "
            f"correct it in the package's pyproject.toml, or mend what it names, {point.value}"
        ) from error
