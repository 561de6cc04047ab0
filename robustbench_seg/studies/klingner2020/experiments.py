"""The study's runs: which models meet which data and perturbations; each resumes in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.catalogue.weights import digest
from robustbench_seg.protocol import PROTOCOLS, Protocol, narrow
from robustbench_seg.results.run import Run
from robustbench_seg.studies.klingner2020.results import Results
from robustbench_seg.studies.klingner2020.trainings import ABLATION, CAMVID, FULL, Training, obtain
from robustbench_seg.tasks.depth import MAX_DEPTH, MIN_DEPTH

DOMAINS = ("street", "street-b")
"""Where segmentation is learnt, and where depth is: the paper's Cityscapes and KITTI."""
MEAN_MAP = "mean depth map"
PROTOCOL = "klingner2020"


@dataclass(frozen=True)
class Options:
    """What the command line says."""

    work: Path
    device: str = "auto"
    workers: int = 0
    limit: int | None = None
    camvid: str | None = None
    announce: Callable[[str], None] = print


@dataclass(frozen=True)
class Experiment:
    """Groups of trainings on data sets, under some of the protocol's attacks and radii; empty are all of them."""

    name: str
    groups: Mapping[str, Sequence[Training]]
    attacks: tuple[str, ...] = ()
    epsilons: tuple[float, ...] = ()

    @property
    def trainings(self) -> list[Training]:
        """All of them."""
        return [training for group in self.groups.values() for training in group]

    def results(self, options: Options, datasets: Sequence[DataSpec], root: str | None = None) -> Results:
        """The results; what is trained or evaluated already is not done again. `root` is the labelled data's folder."""
        models = [obtain(one, options.work, options.device, options.announce, root) for one in self.trainings]
        protocol = narrow(PROTOCOLS.get(PROTOCOL), self.attacks, self.epsilons)
        run = _executed(self.name, models, datasets, options, protocol, ["semantic"])
        return Results(run, {kind: [one.name for one in group] for kind, group in self.groups.items()})


FULL_LENGTH = Experiment("full", FULL)
OVER_LAMBDA = Experiment("ablation", ABLATION, ("fgsm",))
REAL_DATA = Experiment("camvid", CAMVID, ("gaussian", "fgsm"), (0.25, 1.0, 4.0, 16.0))


def street_data() -> list[DataSpec]:
    """Both domains."""
    return [DataSpec(name) for name in DOMAINS]


def depth_results(options: Options) -> Results:
    """Depth of the full-length multi-task networks where it was learnt, beside the training split's mean depth map."""
    models: list[ModelSpec | InMemory] = [
        obtain(one, options.work, options.device, options.announce) for one in FULL["0.1"]
    ]
    models.append(InMemory(MEAN_MAP, mean_depth_map(DataSpec(DOMAINS[1], split="train").load())))
    # A run needs one perturbation; the clean cells are what is shown.
    protocol = narrow(PROTOCOLS.get(PROTOCOL), ("gaussian",), (1.0,))
    run = _executed("depth", models, [DataSpec(DOMAINS[1])], options, protocol, ["depth"], in_process=True)
    return Results(run, {MEAN_MAP: [MEAN_MAP], "0.1": [one.name for one in FULL["0.1"]]}, "abs_rel")


def _executed(
    name: str,
    models: Sequence[ModelSpec | InMemory],
    datasets: Sequence[DataSpec],
    options: Options,
    protocol: Protocol,
    tasks: Sequence[str],
    **more: Any,
) -> Run:
    request = EvaluationConfig(
        models=models,
        datasets=datasets,
        protocol=protocol,
        tasks=tasks,
        limit=options.limit,
        device=options.device,
        workers=options.workers,
        given={"study": PROTOCOL, "part": name, "limit": options.limit},
        **more,
    )
    folder = options.work / "runs" / name
    return run_evaluation(
        PreparedEvaluation(request, folder),
        folder,
        lambda done: options.announce(f"{name}: {done.done} of {done.total} units"),
    )


class _Constant(nn.Module):
    """The same depth (H,W) for every image."""

    depth: Tensor

    def __init__(self, depth: Tensor) -> None:
        super().__init__()
        self.register_buffer("depth", depth)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"depth": self.depth.expand(len(images), -1, -1)}


def mean_depth_map(dataset: Dataset) -> LoadedModel:
    """The mean over a data set of every pixel's valid depths, as a model that never looks at its image.

    Like depth learnt from video it is scaled to each label's median.
    """
    total = count = torch.zeros(())
    for index in range(len(dataset)):
        depth = torch.as_tensor(dataset[index].labels["depth"], dtype=torch.float64)
        valid = (depth > MIN_DEPTH) & (depth < MAX_DEPTH)
        total, count = total + depth * valid, count + valid
    # Where nothing was ever valid there is the sky.
    module = _Constant(torch.where(count > 0, total / count.clamp(min=1), torch.full_like(total, MAX_DEPTH)).float())
    return LoadedModel(MEAN_MAP, module.eval(), ("depth",), CITYSCAPES19, True, digest(module), "study")
