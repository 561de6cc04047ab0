"""What an attack sees of one batch: images, their adversarial loss, gradients, and its own reproducible randomness."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from robustbench_seg.attacks.budgets import largest
from robustbench_seg.attacks.expectations import Expectations
from robustbench_seg.attacks.objectives.base import AdversarialLoss, ClassTargets
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.randomness import generator
from robustbench_seg.tasks.base import Outputs
from robustbench_seg.transfer import placed

if TYPE_CHECKING:
    from robustbench_seg.attacks.target_model import ForwardPass, TargetModel


@dataclass(frozen=True, eq=False)
class Evaluated:
    """What a forward and a backward at N images `x` give: the ascent direction, each image's loss and performance."""

    x: Tensor
    gradient: Tensor
    loss: Tensor
    performance: Tensor

    def where(self, mask: Tensor, other: Evaluated) -> Evaluated:
        """The images of this where `mask` (N,) is true, else those of `other`."""
        pairs = ((getattr(self, field.name), getattr(other, field.name)) for field in fields(self))
        return Evaluated(*(torch.where(mask.view(-1, *[1] * (a.dim() - 1)), a, b) for a, b in pairs))


class AttackContext:
    """One batch under attack. Images are (N,3,H,W) float32 in [0,1].

    `adversarial_loss` and `target_model` are None for perturbations that use no gradient. `clean` is the forward of
    the images, where it has been made already: the first gradient is one backward through it. `clips` names the clip
    that each image is a frame of; by default each is one of its own.

    Nothing here waits for the device: what must hold of gradients and losses is looked at when the attack hands over a
    result (`settle`).
    """

    def __init__(
        self,
        images: Tensor,
        ids: Sequence[str],
        *,
        seed: int = 0,
        target_model: TargetModel | None = None,
        adversarial_loss: AdversarialLoss | None = None,
        clean: ForwardPass | None = None,
        clips: Sequence[str] | None = None,
    ) -> None:
        if images.dim() != 4 or images.shape[1] != 3 or len(images) != len(ids):
            raise ValueError(f"images must be (N,3,H,W) with N ids, not {tuple(images.shape)} and {len(ids)} ids")
        self.images = images
        self.ids = tuple(ids)
        self.clips = self.ids if clips is None else tuple(clips)
        self.seed = seed
        self._target_model = target_model
        self._adversarial_loss = adversarial_loss
        self._pass = clean
        self._clean: tuple[Tensor, Tensor] | None = None
        self._reached: Tensor | None = None
        self._expectations = Expectations()

    @property
    def attackable(self) -> Tensor:
        """Which images (N,) bool have a target."""
        if self._adversarial_loss is None:
            return torch.ones(len(self.images), dtype=torch.bool, device=self.images.device)
        # A copy: an attack may write into it.
        return self._adversarial_loss.attackable.clone()

    def reached(self) -> Tensor | None:
        """Which images (N,) had a gradient that was not zero since `restart`; None where none was taken."""
        return self._reached

    def restart(self) -> None:
        """Begin another attack: what was reached and expected so far concerns others."""
        self._reached, self._expectations = None, Expectations()

    def expect(self, holds: Tensor, error: Exception) -> None:
        """Raise `error` at the next `settle` unless `holds` (a bool tensor) is true throughout; nobody waits for it."""
        self._expectations.add(holds, error)

    def settle(self) -> None:
        """Wait, and raise the first error of what was expected since the last call and does not hold."""
        try:
            self._expectations.settle()
        except Exception:
            # It may have been taken at images that were not the clean ones.
            self._clean = None
            raise

    def gradient(self, x: Tensor, progress: float = 0.0) -> Tensor:
        """The ascent direction (N,3,H,W) at x: the gradient of each image's loss, 0 for images without a target.

        The one at the clean images is computed once and shared by every attack in the same context. Where it is not
        finite it is 0, and `settle` raises FloatingPointError: a step along it would leave the image as it is, or harm
        nothing. `progress` is the share of the steps done, for losses that change on the way.
        """
        if x is not self.images:
            return self._noted(*self._gradient(x, self._at(progress)))
        if self._clean is None:
            self._clean = self._gradient(x, self._at(0.0))
        # A copy: an attack may write into its gradient.
        return self._noted(*self._clean).clone()

    def evaluate(self, x: Tensor, progress: float = 0.0) -> Evaluated:
        """The ascent direction at x with the loss and the performance there, from one forward."""
        _, adversarial_loss = self._parts()
        compute, measured = self._at(progress), list[tuple[Tensor, Tensor]]()

        def loss(outputs: Outputs) -> Tensor:
            value = compute(outputs)
            detached = value.detach()
            performance = adversarial_loss.performance
            with torch.no_grad():
                measured.append((detached, -detached if performance is None else performance(outputs)))
            return value

        gradient = self._noted(*self._gradient(x, loss))
        # One forward, or several draws of one.
        losses, performances = (torch.stack(values).mean(0) for values in zip(*measured, strict=True))
        return Evaluated(x, gradient, losses, performances)

    def loss(self, x: Tensor) -> Tensor:
        """Each image's loss (N,) at x, without a gradient; `settle` raises FloatingPointError where it is NaN."""
        _, adversarial_loss = self._parts()
        return self._measured(x, adversarial_loss.loss)

    def harm(self, x: Tensor) -> Tensor:
        """What tells how much each image (N,) is harmed at x: the loss, or minus the performance where it cannot."""
        _, adversarial_loss = self._parts()
        if adversarial_loss.performance is None or not adversarial_loss.is_weighted:
            return self.loss(x)
        return -self._measured(x, adversarial_loss.performance)

    @property
    def class_targets(self) -> ClassTargets:
        """Whose class is to change; ValueError where the objective changes no classes."""
        _, adversarial_loss = self._parts()
        if adversarial_loss.class_targets is None:
            raise ValueError("an attack that changes classes was given an objective that changes none")
        return adversarial_loss.class_targets

    def logits(self, x: Tensor) -> Tensor:
        """The class logits (M,C,...) of M images x, any of the batch; a backward through them is one of the model.

        For optimisers that need more than the gradient of a loss: they never see the model. FloatingPointError where
        the gradient at x is not finite.
        """
        target_model, _ = self._parts()
        return target_model.differentiable(x, self.class_targets.source.of)

    def note(self, image: int, gradient: Tensor) -> None:
        """Count a gradient (M,3,H,W) of one image's class logits as asked for at that image, as `reached` says."""
        reached = torch.zeros_like(self.attackable) if self._reached is None else self._reached.clone()
        reached[image] |= gradient.any()
        self._reached = reached

    def generators(self, *purpose: str) -> list[np.random.Generator]:
        """One random stream per image, the same whatever the batch, the order, the model and epsilon."""
        return self.streams(self.ids, *purpose)

    def streams(self, names: Sequence[str], *purpose: str) -> list[np.random.Generator]:
        """One random stream per name, as of `ids` or `clips`; equal names have equal ones."""
        return [generator(self.seed, name, *purpose) for name in names]

    def drawn(self, purpose: str, draw: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]) -> Tensor:
        """Random values (N,3,H,W): `draw(stream, shape)` of each image's stream for that purpose."""
        shape = tuple(self.images.shape[1:])
        draws = [torch.from_numpy(draw(stream, shape)) for stream in self.generators(purpose)]
        return placed(torch.stack(draws), self.images.device)

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """The model, where there is one, in evaluation mode; its state is put back on leaving.

        `settle` raises ValueError where the block wrote into the images, and puts them back: everything that follows is
        measured from them.
        """
        kept = self.images.clone()
        try:
            with contextlib.nullcontext() if self._target_model is None else self._target_model.frozen():
                yield
        except BaseException:
            self._expectations, self._clean = Expectations(), None
            if not torch.equal(kept, self.images):
                self.images.copy_(kept)
            raise
        error = ValueError("a perturbation changed context.images in place; let it work on a clone")
        self._expectations.add(kept == self.images, error, otherwise=lambda: self.images.copy_(kept))

    def _measured(self, x: Tensor, measure: Callable[[Outputs], Tensor]) -> Tensor:
        target_model, adversarial_loss = self._parts()
        values = measure(target_model.outputs(x))
        is_number = ~(values.isnan() & adversarial_loss.attackable)
        self.expect(is_number, FloatingPointError("the loss is not a number"))
        return values

    def _at(self, progress: float) -> Callable[[Outputs], Tensor]:
        _, adversarial_loss = self._parts()
        return adversarial_loss.loss if adversarial_loss.at is None else adversarial_loss.at(progress)

    def _gradient(self, x: Tensor, loss: Callable[[Outputs], Tensor]) -> tuple[Tensor, Tensor]:
        """The gradient, 0 where an image has no target or its gradient is not finite; and where that is not so (N,)."""
        target_model, adversarial_loss = self._parts()
        if x is self.images and self._pass is not None:
            gradient = self._pass.gradient(loss)
        else:
            gradient = target_model.gradient(x, loss)
        peak, attackable = largest(gradient), adversarial_loss.attackable
        followed = peak.isfinite() & attackable
        return torch.where(followed.view(-1, 1, 1, 1), gradient, 0), peak.isfinite() | ~attackable

    def _noted(self, gradient: Tensor, is_finite: Tensor) -> Tensor:
        """The gradient, as one that an attack has asked for."""
        self.expect(is_finite, FloatingPointError("the gradient is not finite"))
        is_there = largest(gradient) > 0
        self._reached = is_there if self._reached is None else self._reached | is_there
        return gradient

    def _parts(self) -> tuple[TargetModel, AdversarialLoss]:
        if self._target_model is None or self._adversarial_loss is None:
            raise ValueError("a noise perturbation asked for a gradient or loss: this context has no model to ask")
        return self._target_model, self._adversarial_loss
