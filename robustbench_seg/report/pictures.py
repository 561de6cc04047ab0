"""The pictures of a page: for each model and image, the clean and the perturbed inputs and what was predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from robustbench_seg.report.names import NORMS, full_name, strength, task_name
from robustbench_seg.report.rows import Panel, unique

_PREDICTION = "prediction:"
_LABEL = "label:"


@dataclass(frozen=True)
class PictureLine:
    """One perturbation of one image: its caption, input, amplified perturbation and a prediction a task, as PNG."""

    caption: str
    norm: str
    given: bytes | None
    perturbation: bytes | None
    maps: tuple[bytes | None, ...]


@dataclass(frozen=True)
class PictureSet:
    """All pictures of one image under one model; the first line is the ground truth, the second clean."""

    title: str
    tasks: tuple[str, ...]
    lines: tuple[PictureLine, ...]


def picture_sets(panels: Sequence[Panel]) -> list[PictureSet]:
    """Panels grouped by image and model."""
    grouped: dict[tuple[str, str, str], list[Panel]] = {}
    for panel in panels:
        grouped.setdefault((panel.dataset, panel.image, panel.model), []).append(panel)
    return [_picture_set(f"{image} ({dataset}), {model}", group) for (dataset, image, model), group in grouped.items()]


def _picture_set(title: str, panels: Sequence[Panel]) -> PictureSet:
    keys = unique([key for panel in panels for key in panel.pngs])
    tasks = unique([key.partition(":")[2] for key in keys if key.startswith((_PREDICTION, _LABEL))])
    lines = []
    for panel in sorted(panels, key=lambda panel: bool(panel.attack)):
        if not panel.attack:
            truth = tuple(panel.pngs.get(_LABEL + task) for task in tasks)
            lines.append(PictureLine("ground truth", "", panel.pngs.get("image"), None, truth))
        lines.append(_line(panel, tasks))
    return PictureSet(title, tuple(map(task_name, tasks)), tuple(lines))


def _line(panel: Panel, tasks: Sequence[str]) -> PictureLine:
    name = f"{full_name(panel.attack, panel.objective)} {strength(panel.epsilon)}" if panel.attack else "clean"
    norm = NORMS.get(panel.norm, panel.norm)
    maps = tuple(panel.pngs.get(_PREDICTION + task) for task in tasks)
    return PictureLine(name, norm, panel.pngs.get("perturbed"), panel.pngs.get("perturbation"), maps)
