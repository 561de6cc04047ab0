"""One batch inside this process, with the victim as the harness builds it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.objectives import Scene
from robustbench_seg.attacks.problem import Problem
from robustbench_seg.classes import VOID
from robustbench_seg.harness.batch import Batch, collate, scene
from robustbench_seg.harness.context import PairContext
from robustbench_seg.harness.evaluation import Evaluation, Request
from robustbench_seg.harness.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.protocol import Protocol, from_options
from robustbench_seg.tasks.base import masked_mean

EPSILON = 16.0


@dataclass(frozen=True)
class Inside:
    """A pair, its first batch, and what objectives see of it."""

    context: PairContext
    batch: Batch
    scene: Scene
    threads: int

    def perturb(self, attack: Perturbation, epsilons: Sequence[float]) -> dict[float, Tensor]:
        """The attack through the harness's own parts, on a problem of its own: no gradient is left over from before."""
        (objective,) = attack.objectives(["semantic"], self.context.tasks)
        goal = attack.goal(objective, self.scene)
        problem = Problem(self.batch.images, self.batch.ids, victim=self.context.victim, goal=goal)
        return dict(attack.perturb(problem, epsilons))


def open_pair(
    model: ModelSpec | InMemory,
    dataset: DataSpec | InMemory,
    images: int,
    protocol: Protocol | None = None,
    **options: object,
) -> tuple[Evaluation, PairContext]:
    """A pair as a worker opens it."""
    request = Request([model], [dataset], protocol or from_options(["fgsm"], [(1.0,)]), limit=images, **options)  # type: ignore[arg-type]
    evaluation = Evaluation(request)
    with tempfile.TemporaryDirectory() as folder:
        settings = evaluation.job(Path(folder)).settings
    (pair,) = evaluation.plan.pairs
    return evaluation, PairContext(pair, evaluation.models[0], evaluation.datasets[0], settings)


def first_batch(model: ModelSpec | InMemory, dataset: DataSpec | InMemory, images: int, **options: object) -> Inside:
    """The first batch of a pair, of at most `images` images."""
    evaluation, context = open_pair(model, dataset, images, **options)  # type: ignore[arg-type]
    size = min(images, evaluation.plan.batch_size, len(context.dataset))
    samples = [(i, context.dataset[i]) for i in range(size)]
    (batch,) = collate(samples, context.tasks, context.pair.alignment, evaluation.device)
    outputs = context.victim.outputs(batch.images)
    seen = scene(batch, outputs, context.tasks, context.classes, context.model.median_scaling, 0)
    return Inside(context, batch, seen, evaluation.plan.threads)


Forward = Callable[[Tensor], Tensor]


def logits_of(module: nn.Module) -> Forward:
    """The semantic logits of a module that returns a dict."""

    def forward(images: Tensor) -> Tensor:
        logits: Tensor = module(images)["semantic"]
        return logits

    return forward


def bare_pgd(forward: Forward, images: Tensor, labels: Tensor, steps: int, epsilon: float = EPSILON) -> Tensor:
    """PGD as a plain loop of forwards and backwards: sign steps of one grey value, ball, range."""
    x, radius = images, epsilon / 255
    for _ in range(steps):
        x = x.detach().requires_grad_(True)
        losses = F.cross_entropy(forward(x).float(), labels, ignore_index=VOID, reduction="none")
        (gradient,) = torch.autograd.grad(masked_mean(losses, labels != VOID).sum(), x)
        x = x.detach() + gradient.sign() / 255
        x = torch.minimum(torch.maximum(x, images - radius), images + radius).clamp(0, 1)
    return x
