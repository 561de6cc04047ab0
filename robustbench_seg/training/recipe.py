"""A training recipe: one strict TOML file that says everything a model's weights depend on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.strict import Range, from_table, read_toml
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.depth_align import MEDIAN, NONE, DepthAlign

Count = Annotated[int, Range(1)]
Rate = Annotated[float, Range(0)]
"""A peak learning rate."""
Weight = Annotated[float, Range(0)]
"""Of a task's loss."""
Share = Annotated[float, Range(0, 0.999999)]
Size = tuple[Count, Count]
"""Height and width in pixels."""

_WHOLE = ("parameters", "encoder_args", "tasks", "init")
"""Tables that an override replaces: what one encoder takes does not mix with what another does, nor tasks."""


@dataclass(frozen=True)
class ArchitectureRecipe:
    """An architecture's name and parameters, and its normalisation."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)
    normalization: str = "imagenet"


@dataclass(frozen=True)
class InitRecipe:
    """Where a part of the network has its initial weights from.

    `from` is a model of the catalogue, or a folder that `robustseg train` wrote (with a slash, DIR/NAME): of that it
    is the part `submodule`, by default the one of the same path, with "." the whole model. For the encoder it may be a
    state dict of torchvision or timm too: a file's path, or `DISTRIBUTION:FILE`, a file inside an installed Python
    package.
    """

    from_: str
    submodule: str = ""


@dataclass(frozen=True)
class DataRecipe:
    """A data set's name, its splits, and the size it is made or read at: None is that of the data.

    `share` of the training images are learnt from, drawn by the recipe's seed. `cache` keeps what was read in memory;
    of what is read after they have started, workers keep a copy each.
    """

    dataset: str
    _: KW_ONLY
    train: str = "train"
    val: str = "val"
    size: Size | None = None
    share: Annotated[float, Range(1e-6, 1)] = 1.0
    cache: bool = True


@dataclass(frozen=True)
class PoseRecipe:
    """The pose network's name and parameters, and its peak learning rate, by default the decoders'."""

    name: str = "resnet"
    parameters: dict[str, Any] = field(default_factory=dict)
    lr: Rate | None = None


@dataclass(frozen=True)
class VideoRecipe(DataRecipe):
    """Depth learnt from video without labels, in one batch with the labelled images.

    `dataset` has neighbouring frames, whose `size` must be that of the labelled crops. `batch` counts clips per step.

    Without `gradient_scale` both kinds of images pass through the whole network, and both losses, each with weight 1,
    through whatever their outputs depend on (DenseMTL 2023). With it they share the encoder alone (Klingner 2020): it
    is λ, and the encoder gets λ times the gradient of the labelled tasks and 1 - λ times that of depth; `depth_lr`
    is then the peak learning rate of depth's decoder, the other decoders' by default: while the first motions are
    small, depth runs towards zero, and a fast one into the end of its range, where no gradient is left.
    """

    table: ClassVar[str] = "video"
    prefix: ClassVar[str] = ""
    """Of its metrics in the log."""

    batch: Count
    gradient_scale: Annotated[float, Range(0, 1)] | None = None
    depth_lr: Rate | None = None
    pose: PoseRecipe = field(default_factory=PoseRecipe, kw_only=True)

    def __post_init__(self) -> None:
        if self.gradient_scale is None and self.depth_lr is not None:
            raise ValueError("depth_lr: without gradient_scale depth has no decoder for itself; remove it")

    def learnt(self, tasks: Iterable[str]) -> tuple[str, ...]:
        """The tasks that are learnt of it, whatever is learnt from labels: depth."""
        return (Depth.name,)


@dataclass(frozen=True)
class DiscriminatorRecipe:
    """Patch discriminators: the channels of their convolutions before the last, and what Adam learns them with."""

    widths: tuple[Count, ...] = (64, 128, 256, 512)
    lr: Rate = 1e-4
    betas: tuple[Share, Share] = (0.9, 0.99)


@dataclass(frozen=True)
class AdaptationRecipe(DataRecipe):
    """A target that the network is adapted to without its labels, adversarially (DenseMTL 2023; Vu 2019, AdvEnt).

    `batch` counts target images per step beside those of the source, the recipe's `data`; `weight` is that of the
    adversarial loss. At 0 the network learns from the source alone, and is measured on the target all the same.
    """

    table: ClassVar[str] = "adaptation"
    prefix: ClassVar[str] = "target_"
    """Of its metrics in the log."""

    batch: Count
    weight: Weight = 5e-3
    discriminator: DiscriminatorRecipe = field(default_factory=DiscriminatorRecipe, kw_only=True)

    def learnt(self, tasks: Iterable[str]) -> tuple[str, ...]:
        """The tasks that the network is adapted for: all that are learnt from labels."""
        return tuple(tasks)


@dataclass(frozen=True)
class OptimiserRecipe:
    """An optimiser with one peak learning rate for the encoder and one for the rest.

    `betas` are Adam's and AdamW's, `momentum` is SGD's; `clip` is the largest norm of the whole gradient, 0 for any.
    """

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    encoder_lr: Rate = 4e-4
    decoder_lr: Rate = 2e-3
    weight_decay: float = 0.01
    betas: tuple[Share, Share] = (0.9, 0.999)
    momentum: Share = 0.9
    clip: Annotated[float, Range(0)] = 0.0


@dataclass(frozen=True)
class ScheduleRecipe:
    """How the learning rate moves; `at` are the fractions of all steps where `step` multiplies it by `decay`."""

    name: Literal["onecycle", "step", "constant"] = "onecycle"
    at: tuple[float, ...] = (0.75,)
    decay: Annotated[float, Range(0, 1)] = 0.1


@dataclass(frozen=True)
class AugmentRecipe:
    """Flip probability; brightness, contrast, saturation, hue ranges; the range of random scale."""

    flip: Annotated[float, Range(0, 1)] = 0.5
    jitter: tuple[float, float, float, float] = (0.2, 0.2, 0.2, 0.1)
    scale: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale: must be [low, high] above 0, not {list(self.scale)}")


@dataclass(frozen=True)
class StageRecipe:
    """A stage's name and parameters."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recipe:
    """What `robustseg train` reads.

    `tasks` maps a task to its loss weight, the first one chooses the best checkpoint; it may be empty where depth is
    learnt from video alone, without labelled images: then depth chooses it where the video's validation split has any,
    and else the last one is kept; `auxiliary` does so for what is
    only predicted in training (normals, edges); `untrained` are tasks that the network predicts without a loss, by
    parts that were trained before; `video` adds depth learnt from frames, `adaptation` a target without
    labels; `balance` says how losses are combined: their weighted sum, or their geometric mean (UniNet 2021), which no
    weight changes; `depth_loss` and `normals_loss` are the kinds of loss that depth and normals are trained with;
    `edge_weight` is the weight of edges in theirs, where both classes are not to have the same; `crop` is None for the
    whole image; `ema` is the decay of the averaged weights that are validated and exported, 0 for none; every
    `validate_every` steps the model is measured and the state saved. `init` says by part of the network, such as
    `encoder` or `decoders.depth`, whose weights it starts from, in the order of the table; others start afresh.
    `frozen` are parts that stay as they start: neither their weights nor their BatchNorm statistics change, and their
    dropout is off. `stages` are trainings one after another, and what chooses frames of the video between them; by
    default there is a single training.
    """

    name: str
    summary: str
    licence: str
    architecture: ArchitectureRecipe
    data: DataRecipe
    tasks: dict[str, Weight]
    steps: Count
    batch: Count
    validate_every: Count
    init: dict[str, InitRecipe] = field(default_factory=dict)
    frozen: tuple[str, ...] = ()
    auxiliary: dict[str, Weight] = field(default_factory=dict)
    untrained: tuple[str, ...] = ()
    video: VideoRecipe | None = None
    adaptation: AdaptationRecipe | None = None
    stages: tuple[StageRecipe, ...] = ()
    balance: Literal["sum", "geometric"] = "sum"
    depth_loss: Literal["log_l1", "log_rmse", "berhu_inverse"] = "log_l1"
    normals_loss: Literal["l1", "cosine"] = "l1"
    edge_weight: Annotated[float, Range(0, 1)] | None = None
    class_weights: bool = True
    crop: Size | None = None
    ema: Annotated[float, Range(0, 0.99999)] = 0.0
    seed: int = 0
    optimiser: OptimiserRecipe = field(default_factory=OptimiserRecipe)
    schedule: ScheduleRecipe = field(default_factory=ScheduleRecipe)
    augment: AugmentRecipe = field(default_factory=AugmentRecipe)

    def __post_init__(self) -> None:
        if not self.tasks and not self.video:
            raise ValueError("tasks: name at least one, such as semantic = 1.0")
        if self.video and Depth.name in self.tasks:
            raise ValueError("tasks: depth is learnt from labels or from [video], not from both; remove one")
        learnt = {*self.tasks, *self.auxiliary, *((Depth.name,) if self.video else ())}
        for i, task in enumerate(self.untrained):
            if task in learnt or task in self.untrained[:i]:
                raise ValueError(f"untrained: {task!r} is learnt or named before; remove it")
        if self.video and self.adaptation:
            raise ValueError("video: is not learnt from while a network is adapted; remove [video] or [adaptation]")
        if self.stages and not self.video:
            raise ValueError("stages: they choose the frames of [video]; add it, or remove them")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The tasks of the network: those with labels, the untrained ones, and depth where it is learnt from video."""
        return (*self.tasks, *self.untrained, *((Depth.name,) if self.video else ()))

    @property
    def unlabelled(self) -> VideoRecipe | AdaptationRecipe | None:
        """The data set that is learnt from without labels, where there is one."""
        return self.video or self.adaptation

    @property
    def depth_align(self) -> DepthAlign:
        """How depth is measured: scaled to the labels' median where it is learnt, or measured, without labels."""
        return NONE if self.unlabelled is None else MEDIAN


def read_recipe(path: Path, scale: str = "nano", changes: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in `path`, with its `[paper]` overrides merged in at `scale` paper.

    `base`, a path from the recipe's folder, names another recipe that this one's keys are merged into; `changes` are
    values by dotted key, such as `tasks.depth`, in place of its own.
    """
    table = _read(path)
    overrides = table.pop("paper", None)
    if scale == "paper":
        if not isinstance(overrides, Mapping):
            raise InputError(f"{path}: has no [paper] table, so no --scale paper")
        table = _merge(table, overrides)
    elif scale != "nano":
        raise UsageError(f"scale {scale!r}: use nano or paper")
    for key, value in (changes or {}).items():
        table = _changed(table, key.split("."), value)
    return from_table(Recipe, table, str(path))


def varied(recipe: Recipe, seed: int | None = None, steps: int | None = None) -> Recipe:
    """The recipe with another seed or number of steps, and a name that says so; None changes nothing."""
    seed, steps = recipe.seed if seed is None else seed, recipe.steps if steps is None else steps
    suffix = f"-seed{seed}" * (seed != recipe.seed) + f"-{steps}" * (steps != recipe.steps)
    return replace(recipe, name=recipe.name + suffix, seed=seed, steps=steps)


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The table of a recipe, merged into that of its base."""
    table = read_toml(path)
    base = table.pop("base", None)
    if base is None:
        return table
    if not isinstance(base, str) or (path.parent / base).resolve() in (path.resolve(), *seen):
        raise InputError(f"{path}: base: must be the path of another recipe, not {base!r}")
    return _merge(_read(path.parent / base, (*seen, path.resolve())), table)


def _changed(table: object, key: Sequence[str], value: Any) -> dict[str, Any]:
    """The table with another value; what is no table on the way to it is replaced."""
    head, *rest = key
    old = dict(table) if isinstance(table, Mapping) else {}
    return {**old, head: _changed(old.get(head), rest, value) if rest else value}


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        nested = isinstance(old, Mapping) and isinstance(value, Mapping) and key not in _WHOLE
        merged[key] = _merge(old, value) if nested else value  # type: ignore[arg-type]
    return merged
