"""What is trained and compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from robustbench_seg.evaluation.spec import DataSpec, InMemory
from robustbench_seg.report.comparison import PERCENT, Scale
from robustbench_seg.results.keys import WORST
from robustbench_seg.studies.by_task import ByTask
from robustbench_seg.studies.experiments import Experiment, Options
from robustbench_seg.studies.mean_map import constant, mean_depth, mean_normals
from robustbench_seg.studies.trainings import Changes, Training

NAME = "densemtl2023"
TASKS = ("semantic", "depth", "normals", "edges")
PAIR = ("semantic", "depth")
SINGLE, MTL, NONE = "single tasks", "DeepLab heads", "no exchange"
PADNET, GATED, ATTENTION = "PAD-Net", "gated", "attention"
ADAPTED, SOURCE = "adapted", "source"
SEEDS = (None, 1, 2)
"""The recipe's own, which is 0, and two more."""
ONCE = (None,)
"""For rows that no finding is about."""
WORLD, TARGET = "street", "street-b"
EPSILONS = (0.5, 1.0, 2.0)
SPREAD = 1.0
"""The ε at which tasks are looked at while others are attacked."""
ATTACKED_IMAGES = 16
DRAWN = ("gaussian", WORST)
SCALES = {"semantic": PERCENT, "depth": Scale(decimals=2, unit="m"), "normals": Scale(decimals=1, unit="°"),
          "edges": PERCENT}  # fmt: skip
SGD: Changes = (("optimiser.name", "sgd"), ("optimiser.encoder_lr", 0.02), ("optimiser.decoder_lr", 0.1),
                ("optimiser.weight_decay", 5e-4))  # fmt: skip
_ATTENTION = "architecture.parameters.exchange_args"
ABLATED: Mapping[str, Changes] = {
    "concatenated": ((f"{_ATTENTION}.fusion", "concat"),),
    "multiplied": ((f"{_ATTENTION}.fusion", "product"),),
    "attention over channels": ((f"{_ATTENTION}.attention", "channel"),),
    "attention over both": ((f"{_ATTENTION}.attention", "both"),),
    "without self-attention": ((f"{_ATTENTION}.self_attention", False),),
    "at scale 2": (("architecture.parameters.scales", (2,)),),
    "at scales 1 and 2": (("architecture.parameters.scales", (1, 2)),),
}
"""The paper's ablations (Tables 5 and 6) as changes of the attention recipe."""


def seeded(*recipes: str, seeds: Sequence[int | None] = SEEDS, changes: Changes = ()) -> list[Training]:
    """Every recipe with every seed."""
    return [Training(recipe, seed, changes=changes) for recipe in recipes for seed in seeds]


_TOGETHER = {MTL: "densemtl-mtl", NONE: "densemtl-none", PADNET: "densemtl-padnet", GATED: "densemtl-gated",
             ATTENTION: "densemtl-attention"}  # fmt: skip
_FOUR = {
    SINGLE: seeded(*(f"densemtl-{task}" for task in TASKS)),
    **{group: seeded(recipe) for group, recipe in _TOGETHER.items()},
}
_UDA = {
    f"{SINGLE}, {SOURCE}": seeded("densemtl-uda-semantic-source", "densemtl-uda-depth-source"),
    f"{SINGLE}, {ADAPTED}": seeded("densemtl-uda-semantic", "densemtl-uda-depth", seeds=ONCE),
    f"{NONE}, {SOURCE}": seeded("densemtl-uda-mtl-source", seeds=ONCE),
    f"{NONE}, {ADAPTED}": seeded("densemtl-uda-mtl", seeds=ONCE),
    f"{ATTENTION}, {SOURCE}": seeded("densemtl-uda-attention-source"),
    f"{ATTENTION}, {ADAPTED}": seeded("densemtl-uda-attention"),
    "oracle": seeded("densemtl-uda-semantic-oracle", "densemtl-uda-depth-oracle", seeds=ONCE),
}

# A run needs one perturbation; the clean cells are what is shown.
CLEAN_RUN = Experiment("four", "snr-equal", _FOUR, [DataSpec(WORLD)], TASKS, "miou", ("gaussian",), (1.0,))
ROBUST = replace(
    CLEAN_RUN, name="robust", attacks=("gaussian", "apgd", WORST), epsilons=EPSILONS, limit=ATTACKED_IMAGES
)
BASELINES = replace(CLEAN_RUN, name="baselines", groups={}, tasks=("depth", "normals"))


@dataclass(frozen=True)
class Setting:
    """Networks that are compared on clean images: Δ is against the group `first`."""

    experiment: Experiment
    first: str

    @property
    def name(self) -> str:
        """Its name on the command line and in the TOML file."""
        return self.experiment.name

    @property
    def dataset(self) -> str:
        """Where they are measured."""
        return self.experiment.datasets[0].name

    def results(self, options: Options) -> ByTask:
        """Trains and evaluates what is missing."""
        return by_task(self.experiment, options)


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting(CLEAN_RUN, SINGLE),
        Setting(
            replace(CLEAN_RUN, name="optimisers", groups={
                f"{group}, {name}": seeded(_TOGETHER[group], changes=changes)
                for name, changes in (("AdamW", ()), ("SGD", SGD)) for group in (NONE, ATTENTION)
            }),
            f"{NONE}, AdamW",
        ),
        Setting(
            replace(CLEAN_RUN, name="ablations", groups={
                name: [Training("densemtl-attention", changes=changes)]
                for name, changes in {ATTENTION: (), **ABLATED}.items()
            }),
            ATTENTION,
        ),
        Setting(
            replace(CLEAN_RUN, name="adaptation", datasets=[DataSpec(TARGET)], tasks=PAIR, groups=_UDA),
            f"{SINGLE}, {SOURCE}",
        ),
        Setting(
            replace(CLEAN_RUN, name="video", tasks=("semantic",), groups={
                group: seeded(f"densemtl-sde-{exchange}")
                for group, exchange in ((NONE, "none"), (GATED, "gated"), (ATTENTION, "attention"))
            }),
            NONE,
        ),
    )
}  # fmt: skip
"""What is compared; `four` is what the study stands on."""


def by_task(experiment: Experiment, options: Options) -> ByTask:
    """The results of an experiment in all its tasks."""
    grouped = experiment.results(options)
    return ByTask(grouped.run, grouped.groups, {task: SCALES[task] for task in experiment.tasks})


def mean_predictors() -> dict[str, InMemory]:
    """What never looks at its image, by name."""
    data = DataSpec(WORLD, split="train").load()
    everywhere, by_pixel = mean_normals(data)
    made = {"mean depth": ("depth", mean_depth(data)), "mean normal": ("normals", everywhere),
            "mean normal of every pixel": ("normals", by_pixel)}  # fmt: skip
    return {name: constant(name, task, output, data) for name, (task, output) in made.items()}
