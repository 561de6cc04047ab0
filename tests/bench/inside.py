"""One batch inside this process, with the target model as the evaluation builds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.objectives.base import CleanReference
from robustbench_seg.classes import VOID
from robustbench_seg.evaluation.batch import Batch, collate
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.job import Pictures
from robustbench_seg.evaluation.plan import Plan
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.spec import DataSpec, InMemory, ModelSpec
from robustbench_seg.evaluation.sweep import AttackSweep
from robustbench_seg.protocol import Protocol
from robustbench_seg.protocol_options import from_options
from robustbench_seg.tasks.masked import masked_mean

EPSILON = 16.0


@dataclass(frozen=True)
class Inside:
    """A pair, its first batch, and what objectives see of it."""

    context: WorkerContext
    batch: Batch
    reference: CleanReference
    threads: int

    def perturb(self, attack: Perturbation, epsilons: Sequence[float]) -> dict[float, Tensor]:
        """The attack through the evaluation's own parts, in a new context: no gradient is left over from before."""
        (objective,) = attack.objectives(["semantic"], self.context.tasks)
        adversarial_loss = attack.adversarial_loss(objective, self.reference)
        attack_context = AttackContext(
            self.batch.images, self.batch.ids, target_model=self.context.target_model, adversarial_loss=adversarial_loss
        )
        return dict(attack.perturb(attack_context, epsilons))


def open_pair(
    model: ModelSpec | InMemory,
    dataset: DataSpec | InMemory,
    images: int,
    protocol: Protocol | None = None,
    **options: object,
) -> tuple[PreparedEvaluation, WorkerContext]:
    """A pair as a worker opens it."""
    config = EvaluationConfig([model], [dataset], protocol or from_options(["fgsm"], [(1.0,)]), limit=images, **options)  # type: ignore[arg-type]
    prepared = PreparedEvaluation(config)
    (pair,) = prepared.plan.pairs
    return prepared, prepared.workplace.context(pair)


def first_batch(model: ModelSpec | InMemory, dataset: DataSpec | InMemory, images: int, **options: object) -> Inside:
    """The first batch of a pair, of at most `images` images."""
    prepared, context = open_pair(model, dataset, images, **options)  # type: ignore[arg-type]
    return inside_of(prepared.plan, context, images)


def inside_of(plan: Plan, context: WorkerContext, images: int) -> Inside:
    """The first batch of an open pair, of at most `images` images."""
    size = min(images, plan.batch_size, len(context.dataset))
    samples = [(i, context.dataset[i]) for i in range(size)]
    (batch,) = collate(context.dataset, samples, context.tasks, context.pair.alignment, context.execution.device)
    seen = AttackSweep(context, batch, Pictures()).reference
    return Inside(context, batch, seen, plan.threads)


Forward = Callable[[Tensor], Tensor]


def logits_of(module: nn.Module) -> Forward:
    """The semantic logits of a module that returns a dict."""

    def forward(images: Tensor) -> Tensor:
        logits: Tensor = module(images)["semantic"]
        return logits

    return forward


def bare_pgd(forward: Forward, images: Tensor, labels: Tensor, steps: int, epsilon: float = EPSILON) -> Tensor:
    """PGD as a plain loop of forwards and backwards: sign steps of one grey value, ball, range."""
    x, epsilon = images, epsilon / 255
    for _ in range(steps):
        x = x.detach().requires_grad_(True)
        losses = F.cross_entropy(forward(x).float(), labels, ignore_index=VOID, reduction="none")
        (gradient,) = torch.autograd.grad(masked_mean(losses, labels != VOID).sum(), x)
        x = x.detach() + gradient.sign() / 255
        x = torch.minimum(torch.maximum(x, images - epsilon), images + epsilon).clamp(0, 1)
    return x
