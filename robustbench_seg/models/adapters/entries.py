"""Where in a checkpoint the weights of a network lie.

Wrappers (`state_dict`, `model`, …), prefixes of keys (`module.`, `model.`, …) and parts saved apart (`encoder`,
`decoder`) are one thing here: every tensor has a dotted path, and an entry is what comes before the network's own keys.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import torch
from torch import Tensor

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.registry import printable, unknown

State = dict[str, Tensor]
Container: TypeAlias = dict[object, object] | list[object] | tuple[object, ...]

TOP = "."
_CONTAINERS = (dict, list, tuple)
_MAX_DEPTH = 8
_MAX_ITEMS = 1_000_000
_MAX_PARTS = 64
_MAX_NAMED = 20
_MAX_LENGTH = 1000
# What torch.compile, FSDP and activation checkpointing put into the names of the modules they wrap.
_INSERTED = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_AVERAGED = {"ema", "swa", "avg", "average", "averaged", "shadow", "polyak"}
# What networks for inference lack: counters of those who average weights, and heads that only serve training.
_AVERAGING = ("n_averaged", "initted", "step", "num_updates", "decay")
_TRAINING_ONLY = ("aux_classifier.", "auxiliary_head.", "auxlayer.")
_COUNTERS = "num_batches_tracked"


@dataclass(frozen=True)
class Held:
    """A tensor and the path of the mapping it lies in."""

    value: Tensor
    home: str


@dataclass(frozen=True)
class Choice:
    """The entry that is taken, its tensors by the network's keys, and others of the same mapping that it lacks.

    `fits` says that nothing is missing or of another shape; `other` is an entry of plain weights beside averaged ones.
    """

    entry: str
    state: State
    extra: State
    fits: bool
    other: str | None = None


def choose(loaded: object, network: Mapping[str, Tensor], where: str, key: str | None = None) -> Choice:
    """The one entry of a checkpoint (at or below `key`, where it is given) whose tensors fit the network's state dict.

    The key "." is the whole, without any prefix. Averaged weights are preferred to plain ones, as timm does. Where none
    fits it is the one that shares most names.
    Raises UsageError for an unknown key, and where several fit; InputError where there are no tensors.
    """
    held = tensors_in(loaded, where)
    start = "" if key in (None, TOP) else f"{key}."
    below = {path: each for path, each in held.items() if path.startswith(start)}
    if not below:
        raise UsageError(f"{where}: {unknown('entry', str(key), _named_entries(held))}")
    needed = {name: value.shape for name, value in network.items() if not name.endswith(_COUNTERS)}
    names, fitting = _counts(below, start, needed)
    complete = [prefix for prefix, count in fitting.items() if count == len(needed)]
    if not complete:
        best = max(names, key=lambda prefix: (names[prefix], fitting[prefix]), default=_fullest(below, start))
        return _choice(below, best, network, [], None)
    if key is not None and start in complete:
        return _choice(below, start, network, complete, None)
    taken, other = _preferred(_distinct(below, complete[:_MAX_NAMED], needed), where)
    return _choice(below, taken, network, complete, other)


def fullest(loaded: object, where: str) -> State:
    """The tensors of the mapping that holds most of them, in its order; InputError where there are none."""
    held = tensors_in(loaded, where)
    home = _fullest_home(held)
    return {_beside(path, home, home): each.value for path, each in held.items() if each.home == home}


def tensors_in(loaded: object, where: str) -> dict[str, Held]:
    """All tensors in nested mappings, lists and tuples, by dotted path; InputError where there are none."""
    found: dict[str, Held] = {}
    pending: list[tuple[str, Container, int]] = [("", loaded, 0)] if isinstance(loaded, _CONTAINERS) else []
    items = 0
    while pending:
        home, container, depth = pending.pop()
        items += len(container)
        if items > _MAX_ITEMS:
            raise InputError(f"{where}: holds more than {_MAX_ITEMS} values; write the state dict alone")
        inner = []
        for path, value in _children(home, container):
            if isinstance(value, _CONTAINERS):
                inner.append((path, value, depth + 1))
            elif len(path) <= _MAX_LENGTH:
                found.setdefault(_INSERTED.sub("", path), Held(value, home))
        if depth < _MAX_DEPTH:
            pending += reversed(inner)
    if not found:
        raise InputError(f"{where}: holds no named tensors; {_told(loaded)}")
    return found


def _named_entries(held: Mapping[str, Held]) -> list[str]:
    """Some of what `--weights FILE:KEY` can name: mappings with tensors, and what keys in them begin with."""
    named: dict[str, None] = {}
    for path, each in held.items():
        if each.home:
            named[each.home] = None
        first, dot, _ = path[len(each.home) :].lstrip(".").partition(".")
        if dot:
            named[f"{each.home}.{first}".lstrip(".")] = None
    return [printable(name) for name in islice(named, _MAX_NAMED)]


def _children(home: str, container: Container) -> Iterator[tuple[str, Container | Tensor]]:
    """The tensors and containers in one, by their paths."""
    for key, value in container.items() if isinstance(container, dict) else enumerate(container):
        if isinstance(value, (Tensor, *_CONTAINERS)) and isinstance(key, str | int):
            yield f"{home}.{key}" if home else str(key), value


def _counts(
    held: Mapping[str, Held], start: str, needed: Mapping[str, torch.Size]
) -> tuple[Counter[str], Counter[str]]:
    """By what comes before the network's keys: how many of them there are, and how many have the right shape."""
    names: Counter[str] = Counter()
    fitting: Counter[str] = Counter()
    for path, each in held.items():
        for prefix, name in _splits(path, len(start)):
            if name in needed:
                names[prefix] += 1
                fitting[prefix] += each.value.shape == needed[name]
    return names, fitting


def _splits(path: str, start: int) -> Iterator[tuple[str, str]]:
    yield path[:start], path[start:]
    for _ in range(_MAX_PARTS):
        start = path.find(".", start) + 1
        if not start:
            return
        yield path[:start], path[start:]


def _distinct(held: Mapping[str, Held], prefixes: list[str], needed: Mapping[str, torch.Size]) -> list[str]:
    """The prefixes without those whose tensors equal an earlier one's."""
    kept: list[str] = []
    for prefix in prefixes:
        if not any(all(_equal(held[prefix + name], held[other + name]) for name in needed) for other in kept):
            kept.append(prefix)
    return kept


def _equal(a: Held, b: Held) -> bool:
    return a.value.dtype == b.value.dtype and torch.equal(a.value, b.value)


def _preferred(prefixes: list[str], where: str) -> tuple[str, str | None]:
    """The prefix to take, and that of plain weights beside averaged ones."""
    averaged = [prefix for prefix in prefixes if _AVERAGED & set(re.split(r"[^a-z]+", prefix.lower()))]
    plain = [prefix for prefix in prefixes if prefix not in averaged]
    if len(prefixes) == 1:
        return prefixes[0], None
    if len(averaged) == len(plain) == 1:
        return averaged[0], plain[0]
    named = ", ".join(_entry(prefix) or TOP for prefix in prefixes[:8]) + (", …" if len(prefixes) > 8 else "")
    raise UsageError(f"{where}: several entries fit the network ({named}); name one, as in --weights {where}:KEY")


def _choice(
    held: Mapping[str, Held], prefix: str, network: Mapping[str, Tensor], complete: list[str], other: str | None
) -> Choice:
    own = {path: path[len(prefix) :] for path in held if path.startswith(prefix) and path[len(prefix) :] in network}
    homes = {held[path].home for path in own} or {held[path].home for path in held if path.startswith(prefix)}
    others = {path for path in held for p in complete if path.startswith(p) and path[len(p) :] in network}
    extra = {
        _beside(path, each.home, prefix): each.value
        for path, each in held.items()
        if path not in own and path not in others and each.home in homes
    }
    return Choice(
        _entry(prefix),
        {name: held[path].value for path, name in own.items()},
        {
            name: value
            for name, value in extra.items()
            if name not in _AVERAGING and not name.startswith(_TRAINING_ONLY)
        },
        bool(complete),
        None if other is None else _entry(other) or TOP,
    )


def _beside(path: str, home: str, prefix: str) -> str:
    return path.removeprefix(prefix) if path.startswith(prefix) else path.removeprefix(f"{home}.")


def _fullest(held: Mapping[str, Held], start: str) -> str:
    home = _fullest_home(held)
    return f"{home}." if len(home) >= len(start) > 0 or (home and not start) else start


def _fullest_home(held: Mapping[str, Held]) -> str:
    return Counter(each.home for each in held.values()).most_common(1)[0][0]


def _entry(prefix: str) -> str:
    return printable(prefix.removesuffix("."))


def _told(loaded: object) -> str:
    if isinstance(loaded, Mapping):
        keys = ", ".join(printable(str(key)) for key in list(loaded)[:8]) or "nothing"
        return f"its entries are {keys}; write model.state_dict() with torch.save"
    return f"it is a {type(loaded).__name__}; write model.state_dict() with torch.save"
