"""The pictures of a page: for each image and model, the clean and the perturbed inputs and what was predicted."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from robustbench_seg.report.names import NORMS, full_name, strength, task_name
from robustbench_seg.results.rows import unique
from robustbench_seg.results.run import Panel

_PREDICTION = "prediction:"
_LABEL = "label:"
_HEAVY = 24_000
_WIDTH = 416
_QUALITY = 88

Uri = str | None
"""A picture as a data URI; None where there is none."""


@dataclass(frozen=True)
class PictureLine:
    """One perturbation of one image: its caption, input, amplified perturbation and a prediction a task."""

    caption: str
    norm: str
    given: Uri
    perturbation: Uri
    maps: tuple[Uri, ...]


@dataclass(frozen=True)
class PictureSet:
    """All pictures of one image under one model: the image, the labels, the clean line and the perturbed ones."""

    model: str
    tasks: tuple[str, ...]
    image: Uri
    labels: tuple[Uri, ...]
    predictions: tuple[Uri, ...]
    lines: tuple[PictureLine, ...]


def gallery(panels: Sequence[Panel]) -> dict[str, list[PictureSet]]:
    """Panels by image, and for each image by model."""
    grouped: dict[str, dict[str, list[Panel]]] = {}
    for panel in panels:
        models = grouped.setdefault(f"{panel.image} of {panel.dataset}", {})
        models.setdefault(panel.model, []).append(panel)
    return {image: [_picture_set(*group) for group in models.items()] for image, models in grouped.items()}


def data_uri(png: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def light(png: bytes | None) -> Uri:
    """A PNG as a data URI; a heavy one (noise does not compress) as a smaller JPEG, to keep the page mailable."""
    if png is None or len(png) <= _HEAVY:
        return None if png is None else data_uri(png)
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
    small.thumbnail((_WIDTH, _WIDTH))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=_QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _picture_set(model: str, panels: Sequence[Panel]) -> PictureSet:
    keys = unique([key for panel in panels for key in panel.pngs])
    tasks = unique([key.partition(":")[2] for key in keys if key.startswith((_PREDICTION, _LABEL))])
    clean = {key: png for panel in panels if not panel.attack for key, png in panel.pngs.items()}
    return PictureSet(
        model,
        tuple(map(task_name, tasks)),
        light(clean.get("image")),
        _maps(clean, _LABEL, tasks),
        _maps(clean, _PREDICTION, tasks),
        tuple(_line(panel, tasks) for panel in panels if panel.attack),
    )


def _line(panel: Panel, tasks: Sequence[str]) -> PictureLine:
    return PictureLine(
        f"{full_name(panel.attack, panel.objective)} {strength(panel.epsilon)}",
        NORMS.get(panel.norm, panel.norm),
        light(panel.pngs.get("perturbed")),
        light(panel.pngs.get("perturbation")),
        _maps(panel.pngs, _PREDICTION, tasks),
    )


def _maps(pngs: Mapping[str, bytes], kind: str, tasks: Sequence[str]) -> tuple[Uri, ...]:
    return tuple(light(pngs.get(kind + task)) for task in tasks)
