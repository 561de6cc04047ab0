"""A contact sheet of a data set: a few images, each beside its labels as their tasks draw them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from PIL import Image

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset, label_of
from robustbench_seg.data.survey import DataSurvey, labelled
from robustbench_seg.report.canvas import WIDTH, full_png, short, titled

_SHOWN = 6
_TALLEST = 2.4
"""Height over width beyond which a picture is no longer as wide as its column."""
_PIXELS = 640
"""Across a picture: more are lost on the sheet."""
_COLUMNS = 4
"""So many pictures stand side by side where an image has fewer."""
_LEGEND_COLUMNS = 6
_GREY = "#555555"
_IMAGE = "image"

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """One image of the sheet: its id, and pictures (H,W,3) of the image and of its labels by key."""

    id: str
    pictures: Mapping[str, Pixels]


def contact_sheet(survey: DataSurvey) -> bytes | None:
    """A PNG of up to six images that could be read, from the first to the last; None where there is none."""
    data, count = survey.dataset, min(_SHOWN, len(survey.readable))
    if not count:
        return None
    places = np.linspace(0, len(survey.readable) - 1, count).round().astype(int)
    shown = [_shown(data, survey.readable[place]) for place in places]
    split = f", split {data.split}" if data.split else ""
    title = f"{data.name}{split}: {count} of {len(data)} images"
    return full_png(lambda: _figure(title, shown, _legend(survey)))


def _shown(data: Dataset, index: int) -> Shown:
    sample = data[index]
    image = torch.from_numpy(np.ascontiguousarray(sample.image)).permute(2, 0, 1) / 255
    pictures: dict[str, Pixels] = {_IMAGE: _smaller(sample.image, Image.Resampling.LANCZOS)}
    for key, task in labelled(data).items():
        label = task.batch_labels([label_of(data, sample, task.name, key)], None)
        drawn = task.draw_label(label, 0, image, data.class_set(task.name))
        if drawn is not None:
            pictures[key] = _smaller(drawn, Image.Resampling.NEAREST)
    return Shown(sample.id, pictures)


def _smaller(pixels: Pixels, how: Image.Resampling) -> Pixels:
    image = Image.fromarray(pixels)
    image.thumbnail((_PIXELS, round(_PIXELS * _TALLEST)), how)
    return np.asarray(image)


def _legend(survey: DataSurvey) -> dict[str, tuple[int, int, int]]:
    """The colours of the classes that were seen, by name."""
    data = survey.dataset
    sets: list[tuple[ClassSet, Sequence[str]]] = [
        (data.class_set(task.name), [count.name for count in survey.labels[key].classes if count.elements])
        for key, task in labelled(data).items()
        if task.has_classes
    ]
    colours = {name: classes.palette[classes.names.index(name)] for classes, names in sets for name in names}
    return colours | (
        {"void": (0, 0, 0)} if any(survey.labels[key].numbers.get("void") for key in survey.labels) else {}
    )


def _figure(title: str, shown: Sequence[Shown], legend: Mapping[str, tuple[int, int, int]]) -> Figure:
    keys = list(dict.fromkeys(key for one in shown for key in one.pictures))
    across = min(len(shown), max(1, _COLUMNS // len(keys)))
    rows = [shown[start : start + across] for start in range(0, len(shown), across)]
    width = WIDTH / (across * len(keys))
    heights = [width * max(_aspect(picture) for one in row for picture in one.pictures.values()) for row in rows]
    canvas = titled(title)
    canvas.set_layout_engine(ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.04, wspace=0.0, hspace=0.0))
    grid = canvas.subplots(len(rows), across * len(keys), squeeze=False, height_ratios=heights)
    for place in grid.flat:
        place.set_axis_off()
    for i, one in enumerate(shown):
        start = i % across * len(keys)
        _draw(list(grid[i // across, start : start + len(keys)]), one, keys, width)
    lines = math.ceil(len(legend) / _LEGEND_COLUMNS)
    if legend:
        colours = [Patch(color="#{:02x}{:02x}{:02x}".format(*colour)) for colour in legend.values()]
        canvas.legend(colours, legend, loc="outside lower left", ncols=_LEGEND_COLUMNS, fontsize=8, handlelength=1.2)
    canvas.set_size_inches(WIDTH, sum(heights) + 0.25 * len(rows) + 0.2 * lines + 0.5)
    return canvas


def _draw(places: Sequence[Axes], shown: Shown, keys: Sequence[str], width: float) -> None:
    """The pictures of one image side by side, its id above the first and the name of each label above the others."""
    for place, key in zip(places, keys, strict=True):
        if key in shown.pictures:
            place.imshow(shown.pictures[key], interpolation="nearest")
        title = shown.id if key == _IMAGE else key
        place.set_title(short(title, int(width * 12)), fontsize=7, color=_GREY, pad=2)


def _aspect(picture: Pixels) -> float:
    height, width = picture.shape[:2]
    return float(min(height / width, _TALLEST))
