"""A module as it is evaluated, for a while: evaluation mode, no parameter gradients, everything put back after it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


class Freezer:
    """A module's parts and parameters, walked once: that takes as long as a small forward."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._parts = list(module.modules())
        self._parameters = list(module.parameters())
        # Only the devices the model is on: asking for the state of another one would start CUDA there.
        self._devices = sorted({p.device.index for p in self._parameters if p.is_cuda})
        self._depth = 0

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Hold the module in evaluation mode without parameter gradients.

        Every flag and the random state are put back on leaving, also when the block raises. Gradients held by the
        parameters are not touched.
        """
        modes = [part.training for part in self._parts]
        flags = [parameter.requires_grad for parameter in self._parameters]
        with self._random_state():
            self._depth += 1
            try:
                if any(modes):
                    self._module.eval()
                for parameter in self._parameters:
                    if parameter.requires_grad:
                        parameter.requires_grad_(False)
                yield
            finally:
                self._depth -= 1
                for part, mode in zip(self._parts, modes, strict=True):
                    if part.training != mode:
                        part.training = mode
                for parameter, flag in zip(self._parameters, flags, strict=True):
                    if parameter.requires_grad != flag:
                        parameter.requires_grad_(flag)

    def kept(self) -> contextlib.AbstractContextManager[None]:
        """Hold the module as `frozen` does; where it is frozen already only the random state is put back on leaving.

        For what is done in every step of an attack.
        """
        return self._random_state() if self._depth and not self._module.training else self.frozen()

    def _random_state(self) -> contextlib.AbstractContextManager[None]:
        return torch.random.fork_rng(devices=self._devices)


def frozen(module: nn.Module) -> contextlib.AbstractContextManager[None]:
    """Hold a module as `Freezer.frozen` does, for a single use."""
    return Freezer(module).frozen()
