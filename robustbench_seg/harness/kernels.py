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

    def prepare(self, module: nn.Module, images: Tensor) -> tuple[nn.Module, torch.memory_format]:
        """The module on the device, and the memory format of its images; `images` (N,3,H,W) are some it will see.

        The module itself keeps its layout: fast kernels run on a copy, and only where it can be copied.
        """
        module = module.to(self.device)
        memory_format = torch.contiguous_format
        copied = None if self.plain else _copy(module)
        if copied is not None:
            module, memory_format = _folded(module, copied, images), self._memory_format()
            module.to(memory_format=memory_format)
        if self.compile:
            module.compile()
        return module, memory_format

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
