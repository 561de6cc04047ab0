"""A model's card: everything a user of its weights must know, and all that is needed to build it."""

from __future__ import annotations

import difflib
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from robustbench_seg.classes import CLASS_SETS, ClassSet
from robustbench_seg.data.classfile import ClassesTable
from robustbench_seg.errors import InputError, RobustsegError
from robustbench_seg.models.base import LoadedModel, for_inference
from robustbench_seg.models.blocks.normalization import Normalization
from robustbench_seg.models.catalogue.toml_writer import dumps
from robustbench_seg.models.catalogue.weights import fit, read_safetensors
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build, check_forward, parameters_within
from robustbench_seg.models.registry import NETWORKS
from robustbench_seg.registry import Registry
from robustbench_seg.strict import from_table, read_toml
from robustbench_seg.tasks.depth_align import NONE, DepthAlign
from robustbench_seg.tasks.registry import TASKS

CARD, WEIGHTS = "card.toml", "weights.safetensors"
SCHEMA = 1


@dataclass(frozen=True)
class ArchitectureCard:
    """The registered architecture's name, its parameters, and the normalisation inside it."""

    name: str
    normalization: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingCard:
    """What the weights come from; `terms` are the training data's, `selection` says how the checkpoint was chosen.

    `precision` and `devices` are those of the training where they were not fp32 and one; `stages` says in a few words
    what each stage of it did, where there were several.
    """

    dataset: str
    split: str
    terms: str
    recipe: str
    selection: str
    init: str
    steps: int
    batch: int
    seed: int
    precision: str | None = None
    devices: int | None = None
    stages: tuple[str, ...] | None = None


@dataclass(frozen=True)
class EvaluationCard:
    """What the clean metrics were measured on, after rounding the weights."""

    dataset: str
    split: str
    images: int
    size: tuple[int, int]


@dataclass(frozen=True)
class VideoCard:
    """The video that depth was learnt from without labels, and its metrics there, scaled to the labels' median.

    `gradient_scale` is Klingner 2020's λ, None where labelled images and frames pass through the whole network.
    `frames` is a file beside the card with the ids of the frames that clips were read from, None where from all.
    """

    dataset: str
    split: str
    terms: str
    batch: int
    gradient_scale: float | None = None
    frames: str | None = None
    evaluation: EvaluationCard | None = None
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class AdaptationCard:
    """The target that a network was adapted to without its labels, and its metrics there by task.

    `weight` is that of the adversarial loss; 0 says that the network has not learnt from the target. Depth is scaled to
    the labels' median. The checkpoint was chosen on the source, as `TrainingCard.selection` says.
    """

    dataset: str
    split: str
    terms: str
    batch: int
    weight: float
    evaluation: EvaluationCard | None = None
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Card:
    """`models/NAME/card.toml`; `[metrics.TASK]` hold plain numbers.

    `training` is None of a network that others trained, `evaluation` where nothing was measured.
    """

    schema: int
    name: str
    summary: str
    licence: str
    tasks: tuple[str, ...]
    parameter_count: int
    sha256: str
    architecture: ArchitectureCard
    classes: ClassesTable
    evaluation: EvaluationCard | None = None
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    depth_align: DepthAlign = NONE
    training: TrainingCard | None = None
    video: VideoCard | None = None
    adaptation: AdaptationCard | None = None

    def __post_init__(self) -> None:
        if self.schema != SCHEMA:
            raise ValueError(f"schema: {self.schema} is not supported; this version reads {SCHEMA}")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError("sha256: must be 64 lower-case hexadecimal digits")
        if not self.tasks:
            raise ValueError("tasks: must name at least one task")
        for i, task in enumerate(self.tasks):
            if task in self.tasks[:i]:
                raise ValueError(f"tasks: {task!r} is named twice; remove one")
        if set(self.metrics) - set(self.tasks):
            raise ValueError(f"metrics: {sorted(set(self.metrics) - set(self.tasks))[0]!r} is not one of the tasks")

    @property
    def terms(self) -> tuple[str, ...]:
        """What the data allow that the weights were learnt from."""
        learnt_from = (self.training, self.video, self.adaptation)
        return tuple(dict.fromkeys(source.terms for source in learnt_from if source))


def read_card(folder: Path) -> Card:
    """The card in a model's folder, whose name must be the folder's."""
    path = folder / CARD
    card = from_table(Card, read_toml(path), str(path))
    if card.name != folder.name:
        raise InputError(f"{path}: name: {card.name!r} is not the folder's; rename one of them")
    return card


def write_card(card: Card, folder: Path) -> None:
    """Writes the card into the folder of its model."""
    (folder / CARD).write_text(dumps(asdict(card)), encoding="utf-8")


def classes_table(classes: ClassSet) -> ClassesTable:
    """The `[classes]` table of a set: the name alone where it is a built-in one."""
    if CLASS_SETS.get(classes.name) == classes:
        return ClassesTable(classes=classes.name)
    maps = {other: dict(names) for other, names in classes.maps.items()}
    return ClassesTable(classes.name, classes.names, classes.palette, maps)


def _build(card: Card, classes: ClassSet, path: Path, largest: int) -> nn.Module:
    """The network of the card of file `path`, which may have `largest` parameters, without its weights."""
    where, chosen = f"{path}: architecture", card.architecture
    try:
        normalization = Normalization.parse(chosen.normalization)
    except RobustsegError as error:
        raise InputError(f"{where}: {error}") from None
    with parameters_within(largest):
        module = build(chosen.name, chosen.parameters, NetworkRequest(card.tasks, len(classes), normalization), where)
    count = sum(parameter.numel() for parameter in module.parameters())
    if count != card.parameter_count:
        raise InputError(f"{path}: parameter_count: {card.parameter_count}, but the network has {count}")
    check_forward(module, where)
    return module


def _refuse_unknown(card: Card, path: Path) -> None:
    """InputError naming every network and task of a card that is not here: those of plugins that were not given."""
    named: list[tuple[Registry[Any], str]] = [
        (NETWORKS, card.architecture.name),
        *((TASKS, task) for task in card.tasks),
    ]
    unknown = []
    for registry, name in named:
        if name not in registry:
            near = difflib.get_close_matches(name, list(registry), n=1)
            unknown.append(f"{registry.kind} '{name}'" + "".join(f" (did you mean {other}?)" for other in near))
    if unknown:
        raise InputError(
            f"{path}: unknown {', '.join(unknown)}; give --plugin with each file that registers one, "
            "or install the package that does"
        )


def load_folder(folder: Path) -> LoadedModel:
    """The model in a folder with a card and weights; nothing in either is executed."""
    card, weights = read_card(folder), folder / WEIGHTS
    _refuse_unknown(card, folder / CARD)
    classes = card.classes.class_set(folder / CARD, card.name)
    state = read_safetensors(weights, card.sha256)
    module = _build(card, classes, folder / CARD, sum(value.numel() for value in state.values()))
    fit(module, state, str(weights))
    return LoadedModel(
        name=card.name,
        # Channels-last weights make convolutions a third faster on a CPU, whatever the images' layout.
        module=for_inference(module).to(memory_format=torch.channels_last),
        tasks=card.tasks,
        classes=classes,
        depth_align=card.depth_align,
        sha256=card.sha256,
        origin="catalogue",
        summary=card.summary,
        terms="; ".join(card.terms),
    )
