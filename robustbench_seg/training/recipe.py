"""A training recipe: one strict TOML file that says everything a model's weights depend on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.strict import from_table, read_toml
from robustbench_seg.tasks.depth import Depth

Scale = Literal["nano", "paper"]

_WHOLE = ("parameters", "encoder_args")
"""Tables that an override replaces: what one encoder takes does not mix with what another does."""


@dataclass(frozen=True)
class ArchitectureRecipe:
    """An architecture's name and parameters, its normalisation, and the encoder's initial weights.

    `init` is empty, a path, or `DISTRIBUTION:FILE`, a file inside an installed Python package.
    """

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    normalization: str = "imagenet"
    init: str = ""


@dataclass(frozen=True)
class DataRecipe:
    """A data set's name, its splits, and the size (H,W) it is made or read at; empty is its own."""

    dataset: str
    train: str = "train"
    val: str = "val"
    size: tuple[int, ...] = ()
    cache: bool = True


@dataclass(frozen=True)
class PoseRecipe:
    """The pose network: its encoder, and the width of the convolutions after it."""

    encoder: str = "resnet18"
    encoder_args: dict[str, Any] = field(default_factory=dict)
    width: int = 256


@dataclass(frozen=True)
class VideoRecipe:
    """Depth learnt from video without labels (Klingner 2020), in one batch with the labelled images.

    `dataset` has neighbouring frames; `size` is (H,W) and empty for its own, and must be that of the labelled crops.
    `batch` counts clips per step; `gradient_scale` is λ: the encoder gets λ times the gradient of the labelled tasks
    and 1 - λ times that of depth. `depth_lr` is the peak learning rate of depth's decoder: while the first motions are
    small, depth runs towards zero, and a fast one into the end of its range, where no gradient is left.
    """

    dataset: str
    batch: int
    gradient_scale: float
    depth_lr: float
    train: str = "train"
    val: str = "val"
    size: tuple[int, ...] = ()
    cache: bool = True
    pose: PoseRecipe = field(default_factory=PoseRecipe)

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"batch: must be at least 1, not {self.batch}")
        if not 0 <= self.gradient_scale <= 1:
            raise ValueError(f"gradient_scale: must be from 0 to 1, not {self.gradient_scale}")
        if len(self.size) not in (0, 2) or min(self.size, default=1) < 1:
            raise ValueError("size: give [height, width], both at least 1, or leave it out")
        if not 0 <= self.depth_lr < math.inf:
            raise ValueError(f"depth_lr: must be a finite number that is not negative, not {self.depth_lr}")
        if self.pose.width < 1:
            raise ValueError(f"pose.width: must be at least 1, not {self.pose.width}")


@dataclass(frozen=True)
class OptimiserRecipe:
    """AdamW or Adam with one peak learning rate for the encoder and one for the rest."""

    name: Literal["adam", "adamw"] = "adamw"
    encoder_lr: float = 4e-4
    decoder_lr: float = 2e-3
    weight_decay: float = 0.01


@dataclass(frozen=True)
class ScheduleRecipe:
    """How the learning rate moves; `at` are the fractions of all steps where `step` multiplies by 0.1."""

    name: Literal["onecycle", "step", "constant"] = "onecycle"
    at: tuple[float, ...] = (0.75,)


@dataclass(frozen=True)
class AugmentRecipe:
    """Flip probability; brightness, contrast, saturation, hue ranges; the range of random scale."""

    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.2, 0.2, 0.2, 0.1)
    scale: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if not 0 <= self.flip <= 1:
            raise ValueError(f"flip: must be a probability, not {self.flip}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale: must be [low, high] above 0, not {list(self.scale)}")


@dataclass(frozen=True)
class Recipe:
    """What `robustseg train` reads.

    `tasks` maps a task to its loss weight, the first one chooses the best checkpoint; `auxiliary` does so for what is
    only predicted in training (normals, edges); `video` adds depth learnt from frames; `balance` says how losses are
    combined: their weighted sum, or their geometric mean (UniNet 2021), which no weight changes; `depth_loss` is the
    kind of loss depth is trained with; `crop` is (H,W) and empty for the whole image; `ema` is the decay of the
    averaged weights that are validated and exported, 0 for none; `validate_every` steps the model is measured and the
    state saved.
    """

    name: str
    summary: str
    licence: str
    architecture: ArchitectureRecipe
    data: DataRecipe
    tasks: dict[str, float]
    steps: int
    batch: int
    validate_every: int
    auxiliary: dict[str, float] = field(default_factory=dict)
    video: VideoRecipe | None = None
    balance: Literal["sum", "geometric"] = "sum"
    depth_loss: Literal["log_l1", "log_rmse"] = "log_l1"
    class_weights: bool = True
    crop: tuple[int, ...] = ()
    ema: float = 0.0
    seed: int = 0
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    schedule: ScheduleRecipe = field(default_factory=ScheduleRecipe)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "validate_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: must be at least 1, not {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema: must be at least 0 and below 1, not {self.ema}")
        if not self.tasks:
            raise ValueError("tasks: name at least one, such as semantic = 1.0")
        if min(self.crop, default=1) < 1 or min(self.data.size, default=1) < 1:
            raise ValueError("crop and data.size: both sides must be at least 1")
        if min(self.optimiser.encoder_lr, self.optimiser.decoder_lr) < 0:
            raise ValueError("optimiser: learning rates must not be negative")
        if len(self.crop) not in (0, 2) or len(self.data.size) not in (0, 2):
            raise ValueError("crop and data.size: give [height, width] or leave it out")
        if self.video and Depth.name in self.tasks:
            raise ValueError("tasks: depth is learnt from labels or from [video], not from both; remove one")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tasks of the network: those with labels, and depth where it is learnt from video."""
        return (*self.tasks, Depth.name) if self.video else tuple(self.tasks)


def read_recipe(path: Path, scale: str = "nano") -> Recipe:
    """The recipe in `path`, with its `[paper]` overrides merged in at `scale` paper.

    `base`, a path from the recipe's folder, names another recipe that this one's keys are merged into.
    """
    table = _read(path)
    overrides = table.pop("paper", None)
    if scale == "paper":
        if not isinstance(overrides, Mapping):
            raise InputError(f"{path}: has no [paper] table, so no --scale paper")
        table = _merge(table, overrides)
    elif scale != "nano":
        raise UsageError(f"scale {scale!r}: use nano or paper")
    return from_table(Recipe, table, str(path))


def varied(recipe: Recipe, seed: int | None = None, steps: int | None = None) -> Recipe:
    """The recipe with another seed or number of steps, and a name that says so; None, or its own, changes nothing."""
    suffix = "" if seed in (None, recipe.seed) else f"-seed{seed}"
    suffix += "" if steps in (None, recipe.steps) else f"-{steps}"
    return replace(
        recipe,
        name=recipe.name + suffix,
        seed=recipe.seed if seed is None else seed,
        steps=recipe.steps if steps is None else steps,
    )


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The table of a recipe, merged into that of its base."""
    table = read_toml(path)
    base = table.pop("base", None)
    if base is None:
        return table
    if not isinstance(base, str) or (path.parent / base).resolve() in (path.resolve(), *seen):
        raise InputError(f"{path}: base: must be the path of another recipe, not {base!r}")
    return _merge(_read(path.parent / base, (*seen, path.resolve())), table)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping) and key not in _WHOLE
        merged[key] = _merge(old, value) if nested else value  # type: ignore[arg-type]
    return merged
