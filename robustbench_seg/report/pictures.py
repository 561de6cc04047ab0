"""The pictures of a page: for each image and model, the clean and the perturbed inputs and what was predicted."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image

from robustbench_seg.results.keys import severity_of
from robustbench_seg.results.names import full_name, norm_name, strength, task_name
from robustbench_seg.results.rows import unique
from robustbench_seg.results.run import Panel

MOST_BYTES = 1_200_000
"""What they may weigh together, as they stand in the HTML; with `section.FIGURE_BYTES` a page keeps within 3 MB."""

_PREDICTION = "prediction:"
_LABEL = "label:"
_HEAVY = 24_000
_STEPS = ((416, 88), (416, 75), (320, 70), (256, 60), (192, 50), (128, 40), (96, 30))
"""Width in pixels and JPEG quality of heavy pictures, the best first."""

Uri = str | None
"""A picture as a data URI; None where there is none."""


@dataclass(frozen=True)
class PictureLine:
    """A caption, an input of the model, its amplified perturbation, and one map per task: predictions or labels."""

    caption: str
    norm: str
    given: Uri
    perturbation: Uri
    maps: tuple[Uri, ...]


@dataclass(frozen=True)
class PictureSet:
    """All pictures of one image under one model: lines of the labels, of the clean image and of each perturbed one."""

    model: str
    tasks: tuple[str, ...]
    lines: tuple[PictureLine, ...]


def gallery(panels: Sequence[Panel], most_bytes: int = MOST_BYTES) -> dict[str, list[PictureSet]]:
    """Panels by image, and for each image by model; all pictures together weigh no more than `most_bytes`.

    Heavy pictures (noise does not compress) become JPEGs, at the best size and quality that keep the weight; images at
    the end are left out only where the smallest are too heavy still.
    """
    pngs = [png for panel in panels for png in panel.pngs.values()]
    fits = (_fitted(pngs, step) for step in _STEPS)
    light = next((fit for fit in fits if sum(len(fit[png]) for png in pngs) <= most_bytes), None)
    if light is None:
        names = unique([_image(panel) for panel in panels])
        kept = [panel for panel in panels if _image(panel) in names[: len(names) // 2]]
        return gallery(kept, most_bytes)
    grouped: dict[str, dict[str, list[Panel]]] = {}
    for panel in panels:
        grouped.setdefault(_image(panel), {}).setdefault(panel.model, []).append(panel)
    return {image: [_picture_set(*group, light) for group in models.items()] for image, models in grouped.items()}


def data_uri(png: bytes) -> str:
    """A PNG as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _image(panel: Panel) -> str:
    return f"{panel.image} of {panel.dataset}"


def _fitted(pngs: Sequence[bytes], step: tuple[int, int]) -> Mapping[bytes, str]:
    """Each PNG as a data URI, a heavy one as a smaller JPEG; at lower steps what counts as heavy weighs less."""
    heavy = _HEAVY * step[0] // _STEPS[0][0]
    return {png: data_uri(png) if len(png) <= heavy else _jpeg(png, *step) for png in dict.fromkeys(pngs)}


def _jpeg(png: bytes, width: int, quality: int) -> str:
    with Image.open(io.BytesIO(png)) as image:
        small = image.convert("RGB")
    small.thumbnail((width, width))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _picture_set(model: str, panels: Sequence[Panel], light: Mapping[bytes, str]) -> PictureSet:
    keys = unique([key for panel in panels for key in panel.pngs])
    tasks = unique([key.partition(":")[2] for key in keys if key.startswith((_PREDICTION, _LABEL))])
    clean = {key: light[png] for panel in panels if not panel.attack for key, png in panel.pngs.items()}
    lines = (
        PictureLine("ground truth", "", None, None, _maps(clean, _LABEL, tasks)),
        PictureLine("clean", "", clean.get("image"), None, _maps(clean, _PREDICTION, tasks)),
        *(_line(panel, tasks, light) for panel in panels if panel.attack),
    )
    return PictureSet(model, tuple(map(task_name, tasks)), lines)


def _line(panel: Panel, tasks: Sequence[str], light: Mapping[bytes, str]) -> PictureLine:
    uris = {key: light[png] for key, png in panel.pngs.items()}
    name = full_name(panel.attack, panel.objective, panel.norm)
    return PictureLine(
        name if severity_of(panel.attack) else f"{name} {strength(panel.epsilon)}",
        norm_name(panel.norm),
        uris.get("perturbed"),
        uris.get("perturbation"),
        _maps(uris, _PREDICTION, tasks),
    )


def _maps(uris: Mapping[str, str], kind: str, tasks: Sequence[str]) -> tuple[Uri, ...]:
    return tuple(uris.get(kind + task) for task in tasks)
