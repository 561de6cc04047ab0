"""A module's gradients as CUDA graphs: the kernels of one batch shape, recorded once and replayed without the host."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

_WARM_UP = 3
"""Times that a module runs before it is recorded: what is made at first use must not be part of it."""


class Recorded(nn.Module):
    """A module that replays where a gradient can be taken at images of the shape it met first; else it runs as it is.

    It is recorded in the precision of that first time. The module's weights must not change from then on.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.training = module.training
        self._recording: _Recording | None = None

    def forward(self, images: Tensor) -> Any:
        """Return what the module gives."""
        if not (images.requires_grad and torch.is_grad_enabled()):
            return self.module(images)
        if self._recording is None:
            self._recording = _Recording(self.module, images)
        return self._recording(images) if self._recording.fits(images) else self.module(images)


class _Recording:
    """A forward and its backward as graphs, which read and write the same memory whenever they are replayed."""

    def __init__(self, module: nn.Module, images: Tensor) -> None:
        self._images = images.detach().clone().requires_grad_()
        # Weights that autocast keeps in half precision would not be there at a replay.
        half = torch.autocast("cuda", torch.bfloat16, enabled=torch.is_autocast_enabled("cuda"), cache_enabled=False)
        with torch.cuda.device(images.device), torch.enable_grad(), half:
            stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            self._warm_up(module, stream)
            self._forward, self._backward = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
            # Other threads read images and compute metrics meanwhile.
            record = partial(torch.cuda.graph, stream=stream, capture_error_mode="thread_local")
            with record(self._forward):
                self._outputs, self._tree = tree_flatten(module(self._images))
            self._weights = [torch.zeros_like(output) for output in self._outputs]
            with record(self._backward, pool=self._forward.pool()):
                (self._gradient,) = torch.autograd.grad(self._outputs, self._images, self._weights)
        self.turn = 0

    def fits(self, images: Tensor) -> bool:
        """Whether it was recorded for images of this shape."""
        return images.shape == self._images.shape

    def __call__(self, images: Tensor) -> Any:
        """Return what the module gives for images that a gradient is taken at."""
        return tree_unflatten(list(_Replayed.apply(images, self)), self._tree)

    def run(self, images: Tensor) -> tuple[Tensor, ...]:
        """Replay the forward; return copies of the outputs."""
        self.turn += 1
        self._images.copy_(images)
        self._forward.replay()
        return tuple(output.detach().clone() for output in self._outputs)

    def gradient(self, weights: tuple[Tensor, ...]) -> Tensor:
        """Replay the backward of the forward of this turn; return a copy of the gradient of the weighted outputs.

        This ends the turn: what the forward had kept may share its memory with what the backward needs after it.
        """
        for kept, given in zip(self._weights, weights, strict=True):
            kept.copy_(given)
        self._backward.replay()
        self.turn += 1
        return self._gradient.clone()

    def _warm_up(self, module: nn.Module, stream: torch.cuda.Stream) -> None:
        """Run on another stream than the current one, as torch asks before recording."""
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                outputs, _ = tree_flatten(module(self._images))
                torch.autograd.grad(outputs, self._images, [torch.ones_like(output) for output in outputs])
        torch.cuda.current_stream().wait_stream(stream)


class _Replayed(torch.autograd.Function):
    """One turn of a recording."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, recording: _Recording) -> tuple[Tensor, ...]:
        outputs = recording.run(images)
        ctx.save_for_backward(images)
        ctx.recording, ctx.turn = recording, recording.turn
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *weights: Tensor) -> tuple[Tensor, None]:
        if ctx.turn != ctx.recording.turn:
            # Another forward, or a backward of this one, wrote where it had kept what it needs.
            ctx.recording.run(*ctx.saved_tensors)
            ctx.turn = ctx.recording.turn
        return ctx.recording.gradient(weights), None
