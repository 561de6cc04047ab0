"""Which kernels a model runs on: BatchNorm folded, channels last, compiled."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robustbench_seg.attacks.victim import frozen
from robustbench_seg.models.folding import folded


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
        copied = None if self.plain else _copy(module)
        if copied is not None:
            module = _folded(module, copied, images).to(memory_format=self._memory_format())
        if self.compile:
            module.compile()
        return module

    def _memory_format(self) -> torch.memory_format:
        """Channels last on a CPU and for half precision; cuDNN's fp32 kernels want channels first."""
        pays = self.device == "cpu" or self.precision == "bf16"
        return torch.channels_last if pays else torch.contiguous_format


def _copy(module: nn.Module) -> nn.Module | None:
    """A copy, or None: a network may keep what cannot be copied beside its weights."""
    try:
        return copy.deepcopy(module)
    except Exception:
        return None


def _folded(module: nn.Module, copied: nn.Module, images: Tensor) -> nn.Module:
    """The copy with BatchNorm folded, or a new one without where that does not give the same."""
    with frozen(copied):
        try:
            return folded(copied, images)
        except Exception:
            return copy.deepcopy(module)
