"""How a model is run: BatchNorm folded, channels last, compiled, or as it is."""

from __future__ import annotations

import copy
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_seg.evaluation.recording import Recorded
from robustbench_seg.models.folding import fold, same_outputs
from robustbench_seg.models.freezing import frozen


@dataclass(frozen=True)
class Execution:
    """The device, the precision of gradients (`fp32`, `tf32`, `bf16`) and what is done to make a module faster.

    `plain` leaves it as it is: the reference that others are checked against. `compile` hands it to torch.compile,
    `graphs` records its gradients as CUDA graphs, `channels_last` asks for that layout on a GPU.
    `eot` is how many draws of a random module's numbers a gradient is the mean of.
    """

    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = False
    plain: bool = False
    eot: int = 1
    channels_last: bool = False
    graphs: bool = False

    def prepare(self, module: nn.Module, images: Tensor) -> tuple[nn.Module, bool]:
        """Return the module on the device, ready to be run, and whether BatchNorm was folded in it.

        `images` (N,3,H,W) are some it will see. The module itself keeps its layout: optimisations are made on a copy,
        and only where it can be copied. Images stay as they are: with weights in channels last the first convolution
        turns its input round.
        """
        module = module.to(self.device)
        optimized, folded = (module, False) if self.plain else self._optimized(module, images)
        if self.compile:
            optimized = _Whole(optimized)
            self._compile(optimized)
        return (Recorded(optimized) if self.graphs else optimized), folded

    @property
    def is_for_one_size(self) -> bool:
        """Whether the first batch it sees should be of the size of the work's."""
        return self.compile or self.graphs

    def described(self) -> dict[str, Any]:
        """Return what a record says of it: scores are always fp32, and nothing but gradients is ever TF32."""
        return {
            "gradients": self.precision,
            "scores": "fp32",
            "tf32": self.precision == "tf32",
            "channels_last": not self.plain and self._memory_format() is torch.channels_last,
            "compiled": self.compile,
            "graphs": self.graphs,
        }

    def uncompiled(self) -> AbstractContextManager[object]:
        """Models run as they are within the block: what is compiled first is for the sizes of the work."""
        return torch.compiler.set_stance("force_eager") if self.compile else nullcontext()

    def _compile(self, module: nn.Module) -> None:
        # Several gradients are taken through one forward.
        torch._functorch.config.donated_buffer = False
        if self.device == "cpu":
            # Workers are as many as cores: helpers of each would only wait for one another.
            torch._inductor.config.compile_threads = 1
            # Backward of replication padding is compiled for another layout than its kernel has (torch 2.15).
            torch._inductor.config.layout_optimization = False
        module.compile()

    def _optimized(self, module: nn.Module, images: Tensor) -> tuple[nn.Module, bool]:
        """Return a faster copy and whether BatchNorm was folded; the module where no copy gives the same outputs."""
        with frozen(module):
            try:
                copied = copy.deepcopy(module)
                folded = fold(copied, images)
                copied = copied.to(memory_format=self._memory_format())
                return (copied, folded > 0) if same_outputs(module, copied, images) else (module, False)
            except Exception:  # a network may keep beside its weights what cannot be copied
                return module, False

    def _memory_format(self) -> torch.memory_format:
        """Channels last on a CPU and for half precision; cuDNN's fp32 kernels want channels first, most of the time."""
        pays = self.device == "cpu" or self.precision == "bf16" or self.channels_last
        return torch.channels_last if pays else torch.contiguous_format


class _Whole(nn.Module):
    """A module as part of another: what compiling does to the whole does not reach the part, which others may run."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.training = module.training

    def forward(self, images: Tensor) -> object:
        """Return what the module gives."""
        return self.module(images)
