"""What keeps models from being compared image by image, and why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from robustbench_seg.report.differences.numbers import Place
from robustbench_seg.report.differences.sources import Source


@dataclass(frozen=True)
class Obstacle:
    """Why there is no interval from images; where the measurements differ there is none from seeds either."""

    reason: str
    is_same_measurement: bool


class _Check(NamedTuple):
    reason: str
    of: Callable[[Source, Place, str], object]


def _images(source: Source, place: Place, task: str) -> object:
    return list(source.manifest.ids[place.dataset]), source.fingerprint


def _groups(source: Source, place: Place, task: str) -> object:
    return list(source.manifest.groups[place.dataset])


def _seed(source: Source, place: Place, task: str) -> object:
    return source.manifest.seed


def _classes(source: Source, place: Place, task: str) -> object:
    return source.names.classes if source.tasks[task].has_classes else ()


def _parameters(source: Source, place: Place, task: str) -> object:
    return dict(source.family(place).params)


_CHECKS = (
    _Check("they were measured on other images", _images),
    _Check("their images are grouped otherwise", _groups),
    _Check("their runs have other seeds", _seed),
    _Check("they were scored in other classes", _classes),
    _Check("the attack had other parameters", _parameters),
)


def obstacle(sources: Mapping[str, Source | None], place: Place, task: str) -> Obstacle | None:
    """The first thing that keeps these models (by name) from being paired in a cell and task; None where nothing."""
    missing = [model for model, source in sources.items() if source is None]
    if missing:
        return Obstacle(f"the run of {missing[0]} has no store any more", is_same_measurement=True)
    known = [source for source in sources.values() if source is not None]
    for check in _CHECKS:
        values = [check.of(source, place, task) for source in known]
        if any(value != values[0] for value in values):
            return Obstacle(check.reason, is_same_measurement=False)
    return None
