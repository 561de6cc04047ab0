"""Where in a checkpoint the weights of a network lie.

Wrappers (`state_dict`, `model`, …), prefixes of keys (`module.`, `model.`, …) and parts saved apart (`encoder`,
`decoder`) are one thing here: every tensor has a dotted path, and an entry is what comes before the network's own keys.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.registry import printable, unknown

State = dict[str, Tensor]

_MAX_DEPTH = 8
_MAX_ITEMS = 2_000_000
_MAX_PARTS = 64
_MAX_LENGTH = 1000
# What torch.compile, FSDP and activation checkpointing put into the names of the modules they wrap.
_INSERTED = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_AVERAGED = {"ema", "swa", "avg", "average", "averaged", "shadow", "polyak"}
# Buffers of those who average weights, and heads that only serve training: networks for inference lack them.
_BESIDE = ("n_averaged", "initted", "num_updates", "decay", "aux_classifier.", "auxiliary_head.", "auxlayer.")
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
    """The one entry of a checkpoint (below `key`, where it is given) whose tensors fit the network's state dict.

    Averaged weights are preferred to plain ones, as timm does. Where none fits it is the one that shares most names.
    Raises UsageError for an unknown key, and where several fit; InputError where there are no tensors.
    """
    held = tensors_in(loaded, where)
    start = "" if key is None else f"{key}."
    below = {path: each for path, each in held.items() if path.startswith(start)}
    if not below:
        raise UsageError(unknown("entry", str(key), entries_of(held), f"{where}, which has {_listed(held)}"))
    needed = {name: value.shape for name, value in network.items() if not name.endswith(_COUNTERS)}
    names, fitting = _counts(below, start, needed)
    complete = [prefix for prefix, count in fitting.items() if count == len(needed)]
    if not complete:
        best = max(names, key=lambda prefix: (names[prefix], fitting[prefix]), default=_fullest(below, start))
        return _choice(below, best, network, [], None)
    taken, other = _preferred(_distinct(below, complete, needed), below, where)
    return _choice(below, taken, network, complete, other)


def fullest(loaded: object, where: str) -> State:
    """The tensors of the mapping that holds most of them, in its order; InputError where there are none."""
    held = tensors_in(loaded, where)
    home = _fullest_home(held)
    return {_beside(path, home, home): each.value for path, each in held.items() if each.home == home}


def tensors_in(loaded: object, where: str) -> dict[str, Held]:
    """All tensors in nested mappings, lists and tuples, by dotted path; InputError where there are none."""
    found: dict[str, Held] = {}
    pending, items = [("", loaded, 0)], 0
    while pending:
        home, container, depth = pending.pop()
        children = list(_children(container))
        items += len(children)
        if items > _MAX_ITEMS:
            raise InputError(f"{where}: holds more than {_MAX_ITEMS} values; write the state dict alone")
        for name, value in children:
            path = _INSERTED.sub("", f"{home}.{name}" if home else name)
            if isinstance(value, Tensor) and len(path) <= _MAX_LENGTH:
                found.setdefault(path, Held(value, home))
        if depth < _MAX_DEPTH:
            inner = [(name, value) for name, value in children if isinstance(value, Mapping | list | tuple)]
            pending += [(f"{home}.{name}" if home else name, value, depth + 1) for name, value in reversed(inner)]
    if not found:
        raise InputError(f"{where}: holds no tensors; {_told(loaded)}")
    return found


def entries_of(held: Mapping[str, Held]) -> list[str]:
    """Names that `--weights FILE:KEY` can give: mappings with tensors, and what keys in them begin with."""
    named: dict[str, None] = {}
    for path, each in held.items():
        if each.home:
            named[each.home] = None
        first, dot, _ = path[len(each.home) :].lstrip(".").partition(".")
        if dot:
            named[f"{each.home}.{first}".lstrip(".")] = None
    return list(named)


def _children(container: object) -> Iterator[tuple[str, object]]:
    if isinstance(container, Mapping):
        yield from ((str(key), value) for key, value in container.items() if isinstance(key, str | int))
    elif isinstance(container, list | tuple):
        yield from ((str(index), value) for index, value in enumerate(container))


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
        if not any(all(torch.equal(held[prefix + n].value, held[o + n].value) for n in needed) for o in kept):
            kept.append(prefix)
    return kept


def _preferred(prefixes: list[str], held: Mapping[str, Held], where: str) -> tuple[str, str | None]:
    """The prefix to take, and that of plain weights beside averaged ones."""
    averaged = [prefix for prefix in prefixes if _AVERAGED & set(re.split(r"[^a-z]+", prefix.lower()))]
    plain = [prefix for prefix in prefixes if prefix not in averaged]
    if len(prefixes) == 1:
        return prefixes[0], None
    if len(averaged) == len(plain) == 1:
        return averaged[0], plain[0]
    named = ", ".join(_entry(prefix) for prefix in prefixes[:8]) + (", …" if len(prefixes) > 8 else "")
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
        {name: value for name, value in extra.items() if not name.startswith(_BESIDE)},
        bool(complete),
        None if other is None else _entry(other),
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


def _listed(held: Mapping[str, Held]) -> str:
    return ", ".join(printable(name) for name in entries_of(held)[:8]) or "no entries"


def _told(loaded: object) -> str:
    if isinstance(loaded, Mapping):
        keys = ", ".join(printable(str(key)) for key in list(loaded)[:8]) or "nothing"
        return f"its entries are {keys}; write model.state_dict() with torch.save"
    return f"it is a {type(loaded).__name__}; write model.state_dict() with torch.save"
