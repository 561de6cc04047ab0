"""The model under attack: one forward into a data set's classes, one gradient at the input, both counted."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_seg.attacks.cost import Cost
from robustbench_seg.classes import Alignment
from robustbench_seg.float32 import tf32
from robustbench_seg.models.freezing import Freezer
from robustbench_seg.randomness import seeded
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.instances.dense import DenseInstances

_IN_PLACE = "modified by an inplace operation"


class TargetModel:
    """A model seen through a data set's classes.

    Args:
        module: takes (N,3,H,W) float32 in [0,1], returns a dict of `semantic` logits (N,C,h,w), `depth` (N,h,w) metres.
        tasks: whose outputs are used, each under its key; others are dropped.
        alignment: how logits merge into the data set's classes, for tasks without an alignment of their own; None where
            no task has classes.
        precision: of gradients, `fp32`, `tf32` (products on a GPU) or `bf16` (autocast). Outputs that are scored are
            always computed as the caller computes.
        draws: of the random numbers of a module that draws some; a gradient is the mean over them (expectation over
            transformation, Athalye et al. 2018). With more than one they are a function of the images, and outputs are
            of yet another one; with one, every forward sees the random state of the caller.
    """

    def __init__(
        self,
        module: nn.Module,
        tasks: Iterable[Task],
        alignment: Alignment | None = None,
        precision: str = "fp32",
        draws: int = 1,
    ) -> None:
        self.module = module
        self.tasks = _by_key(tasks)
        self.alignment = alignment
        self.precision = precision
        self.draws = draws
        self.cost = Cost()
        self._freezer = Freezer(module)
        self._mutates = False

    def frozen(self) -> contextlib.AbstractContextManager[None]:
        """The module in evaluation mode without parameter gradients; its state is put back on leaving."""
        return self._freezer.frozen()

    def outputs(self, images: Tensor) -> Outputs:
        """Outputs at the images' size, in the data set's classes, in evaluation mode and without a gradient."""
        with torch.no_grad(), self._freezer.kept(), self._drawn(images, self.draws):
            return self._forward(images, "fp32")

    def repeated(self, images: Tensor) -> tuple[Outputs, Outputs]:
        """The outputs of two forwards, the second with the random state that the first has left."""
        with torch.no_grad(), self.frozen():
            return self._forward(images, "fp32"), self._forward(images, "fp32")

    def undrawn(self, images: Tensor) -> Outputs:
        """The outputs with the random state of the caller, whatever the images."""
        with torch.no_grad(), self.frozen():
            return self._forward(images, "fp32")

    def forward_pass(self, images: Tensor) -> ForwardPass:
        """One forward whose outputs are scored and whose gradients can be asked for.

        In less than fp32, for modules that overwrite what backward needs and for means over draws each gradient takes
        another forward.
        """
        if self.precision != "fp32" or self.draws > 1:
            return ForwardPass(self, images, self.outputs(images))
        x = images.detach().requires_grad_(True)
        with torch.enable_grad(), self._freezer.kept(), self._saving():
            outputs = self._forward(x, self.precision)
        scored = {key: output.detach().clone() for key, output in outputs.items()}
        return ForwardPass(self, images, scored, None if self._mutates else (x, outputs))

    def gradient(self, images: Tensor, loss: Callable[[Outputs], Tensor]) -> Tensor:
        """The gradient (N,3,H,W) of each image's loss at that image; loss maps outputs to (N,)."""
        if self.draws == 1:
            return self._gradient(images, loss)
        total = torch.zeros_like(images)
        for draw in range(self.draws):
            with self._freezer.kept(), self._drawn(images, draw):
                total += self._gradient(images, loss)
        return total / self.draws

    def _gradient(self, images: Tensor, loss: Callable[[Outputs], Tensor]) -> Tensor:
        try:
            # Here too: what an attack does to the mode of the module must not reach its gradients.
            with self._freezer.kept(), self._saving(), self._multiplying():
                x = images.detach().requires_grad_(True)
                with torch.enable_grad():
                    # In one expression: outputs that are held through the backward are memory that it misses.
                    value = loss(self._forward(x, self.precision)).sum()
                return self._backward(x, value)
        except RuntimeError as error:
            if self._mutates or _IN_PLACE not in str(error):
                raise
            # Nets that overwrite saved activations (`x += ...` after a ReLU) are common; keep copies from now on.
            self._mutates = True
            return self._gradient(images, loss)

    def differentiable(self, images: Tensor, select: Callable[[Outputs], Tensor]) -> Tensor:
        """What `select` takes of the outputs, as a function of the images that autograd differentiates once."""
        made: Tensor = _Selected.apply(images, self, select)
        return made

    def _backward(self, x: Tensor, value: Tensor, retain: bool = False) -> Tensor:
        if not value.requires_grad:
            return torch.zeros_like(x)
        (gradient,) = torch.autograd.grad(value, x, allow_unused=True, retain_graph=retain)
        self.cost += Cost(backwards=len(x))
        return torch.zeros_like(x) if gradient is None else gradient.contiguous()

    def _saving(self) -> contextlib.AbstractContextManager[object]:
        if self._mutates:
            return torch.autograd.graph.allow_mutation_on_saved_tensors()
        return contextlib.nullcontext()

    def _multiplying(self) -> contextlib.AbstractContextManager[object]:
        return tf32(True) if self.precision == "tf32" else contextlib.nullcontext()

    def _drawn(self, images: Tensor, draw: int) -> contextlib.AbstractContextManager[object]:
        """The random state of one draw at these images, where there are several."""
        return (
            contextlib.nullcontext() if self.draws == 1 else seeded(zlib.crc32(images.cpu().numpy().tobytes()) + draw)
        )

    def _forward(self, images: Tensor, precision: str) -> Outputs:
        self.cost += Cost(forwards=len(images))
        with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bf16"):
            # A copy, because some nets normalise their input in place.
            raw = self.module(images.clone())
        given = raw if isinstance(raw, Mapping) else {}
        return {
            key: task.output(given.get(key), images.shape, task.aligned(self.alignment))
            for key, task in self.tasks.items()
        }


def _by_key(tasks: Iterable[Task]) -> dict[str, Task]:
    """The first task of each output."""
    by_key: dict[str, Task] = {}
    for task in tasks:
        by_key.setdefault(task.key, task)
    return by_key


class ForwardPass:
    """A forward at `images` (N,3,H,W): its detached `outputs`, and gradients of losses of them.

    While it keeps the graph a gradient is one backward, after `release` a forward and a backward, with the same result.
    """

    def __init__(
        self, target_model: TargetModel, images: Tensor, outputs: Outputs, graph: tuple[Tensor, Outputs] | None = None
    ) -> None:
        self.outputs = outputs
        self._target_model = target_model
        self._images = images
        self._graph = graph

    def gradient(self, loss: Callable[[Outputs], Tensor]) -> Tensor:
        """The gradient (N,3,H,W) of each image's loss at that image; loss maps outputs to (N,)."""
        if self._graph is None:
            return self._target_model.gradient(self._images, loss)
        x, outputs = self._graph
        try:
            with torch.enable_grad():
                # A copy: a loss may write into what it is given.
                value = loss({key: output.clone() for key, output in outputs.items()}).sum()
            return self._target_model._backward(x, value, retain=True)
        except RuntimeError as error:
            if _IN_PLACE not in str(error):
                raise
            self.release()
            return self.gradient(loss)

    def release(self) -> None:
        """Free what backward needs."""
        self._graph = None


class _Selected(torch.autograd.Function):
    """A forward whose backward is the model's gradient, so that it is counted and made as any other."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, target_model: TargetModel, select: Callable[[Outputs], Tensor]) -> Tensor:
        ctx.made, ctx.select = target_model.forward_pass(images), select
        return select(ctx.made.outputs).clone()

    @staticmethod
    def backward(ctx: Any, weights: Tensor) -> tuple[Tensor, None, None]:
        gradient = ctx.made.gradient(lambda outputs: (ctx.select(outputs) * weights).flatten(1).sum(1))
        if not gradient.isfinite().all():
            raise FloatingPointError("the gradient is not finite")
        return gradient, None, None


def finite(output: Tensor | DenseInstances) -> Tensor:
    """Which images (N,) have a finite output throughout."""
    return output.isfinite().flatten(1).all(1) if isinstance(output, Tensor) else output.finite()
