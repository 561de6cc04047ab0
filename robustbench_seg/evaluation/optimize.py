"""Which kernels a model runs on: BatchNorm folded, channels last, compiled."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustbench_seg.attacks.target_model import frozen
from robustbench_seg.models.folding import folded, same_outputs


@dataclass(frozen=True)
class Kernels:
    """How a module is run.

    `plain` leaves it as it is: the reference that others are checked against. `precision` is that of gradients, `fp32`
    or `bf16`; `compile` hands the module to torch.compile.
    """

    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = False
    plain: bool = False

    def prepare(self, module: nn.Module, images: Tensor) -> nn.Module:
        """The module on the device, ready to be run; `images` (N,3,H,W) are some it will see.

        The module itself keeps its layout: fast kernels run on a copy, and only where it can be copied. Images stay as
        they are: with weights in channels last the first convolution turns its input round.
        """
        module = module.to(self.device)
        fast = None if self.plain else self._fast(module, images)
        if fast is not None:
            module = fast
        if self.compile:
            self._compile(module)
        return module

    def _compile(self, module: nn.Module) -> None:
        # Several gradients are taken through one forward.
        torch._functorch.config.donated_buffer = False
        if self.device == "cpu":
            # Workers are as many as cores: helpers of each would only wait for one another.
            torch._inductor.config.compile_threads = 1
            # Backward of replication padding is compiled for another layout than its kernel has (torch 2.15).
            torch._inductor.config.layout_optimization = False
        module.compile()

    def _fast(self, module: nn.Module, images: Tensor) -> nn.Module | None:
        """A copy with fast kernels; None where it cannot be made or does not give the same."""
        with frozen(module):
            try:
                copied = folded(copy.deepcopy(module), images).to(memory_format=self._memory_format())
                return copied if same_outputs(module, copied, images) else None
            except Exception:  # a network may keep beside its weights what cannot be copied
                return None

    def _memory_format(self) -> torch.memory_format:
        """Channels last on a CPU and for half precision; cuDNN's fp32 kernels want channels first."""
        pays = self.device == "cpu" or self.precision == "bf16"
        return torch.channels_last if pays else torch.contiguous_format
