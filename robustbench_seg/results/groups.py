"""Groups of models: several trainings of one recipe that differ in the seed, or a model alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from robustbench_seg.errors import UsageError
from robustbench_seg.registry import unknown

_SHAPE = "--group reads NAME=MODEL,MODEL,..."


@dataclass(frozen=True)
class Group:
    """Trainings of one recipe with other seeds, under one name; a model alone is a group of one."""

    name: str
    models: tuple[str, ...]


def parse_groups(texts: Sequence[str], known_models: Sequence[str]) -> tuple[Group, ...]:
    """The groups given as NAME=MODEL,MODEL,..., then every other known model as a group of one, in order.

    Raises UsageError for a text of another shape, an unknown model, a model or a name given twice.
    """
    given = [_parsed(text, known_models) for text in texts]
    grouped = [model for group in given for model in group.models]
    _refuse_repeated("model", grouped, "put it into one group, once")
    groups = (*given, *(Group(model, (model,)) for model in known_models if model not in grouped))
    _refuse_repeated("group", [group.name for group in groups], "a name stands for one group or one ungrouped model")
    return groups


def _parsed(text: str, known_models: Sequence[str]) -> Group:
    name, _, listed = text.partition("=")
    models = tuple(model.strip() for model in listed.split(","))
    if not name.strip() or not all(models):
        raise UsageError(f"group '{text}' has no name or an empty model; {_SHAPE}")
    for model in models:
        if model not in known_models:
            raise UsageError(f"group '{name.strip()}': {unknown('model', model, known_models)}")
    return Group(name.strip(), models)


def _refuse_repeated(kind: str, names: Sequence[str], fix: str) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise UsageError(f"{kind} '{name}' is given {count} times in --group; {fix}")
