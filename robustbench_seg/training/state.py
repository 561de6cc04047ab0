"""Everything a training run needs to continue exactly where it stopped, written atomically."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.weightfiles.formats import format_of
from robustbench_seg.models.weightfiles.torchfile import read_torch
from robustbench_seg.training.optimiser import Learner

Row = dict[str, float]


def write_atomically(path: Path, value: object) -> None:
    """Saves with torch so that a reader sees the old file or the whole new one."""
    partial = path.with_suffix(".partial")
    torch.save(value, partial)
    partial.replace(path)


class Average:
    """Exponential moving average of a module's state; the decay grows from 0.1 to `decay` over the first steps."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.module = copy.deepcopy(module).requires_grad_(False)

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        """Moves towards `module` after `step` steps."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, theirs in zip(self.module.state_dict().values(), module.state_dict().values(), strict=True):
            if mine.is_floating_point():
                mine.lerp_(theirs, 1 - decay)
            else:
                mine.copy_(theirs)


@dataclass
class State:
    """The live objects of a run and its bookkeeping; `step` steps are done.

    `network` is the part of the module that is validated and exported; `average` is that part's.
    """

    module: nn.Module
    network: nn.Module
    learners: Sequence[Learner]
    average: Average | None
    identity: str
    device: torch.device
    step: int = 0
    best: float | None = None
    best_step: int = 0
    log: list[Row] = field(default_factory=list)

    @property
    def _is_on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def measured(self) -> nn.Module:
        """The network that is validated and exported, averaged where it is."""
        return self.network if self.average is None else self.average.module

    def save(self, path: Path) -> None:
        """Writes the whole state, the global generators' included (dropout samples from them)."""
        write_atomically(
            path,
            {
                "identity": self.identity,
                "module": self.module.state_dict(),
                "optimisers": [learner.optimiser.state_dict() for learner in self.learners],
                "average": None if self.average is None else self.average.module.state_dict(),
                "rng": torch.get_rng_state(),
                "cuda_rng": torch.cuda.get_rng_state(self.device) if self._is_on_gpu else None,
                "step": self.step,
                "best": self.best,
                "best_step": self.best_step,
                "log": self.log,
            },
        )

    def restore(self, path: Path) -> None:
        """Continues from a saved state, which may come from another device; refuses one of another recipe."""
        saved = read_state(path)
        if saved["identity"] != self.identity:
            raise InputError(
                f"{path}: made by another recipe or data set, in another precision or on another number of devices; "
                "give another output folder or remove it"
            )
        self.module.load_state_dict(saved["module"])
        for learner, optimiser in zip(self.learners, saved["optimisers"], strict=True):
            learner.optimiser.load_state_dict(optimiser)
        if self.average is not None:
            self.average.module.load_state_dict(saved["average"])
        torch.set_rng_state(saved["rng"])
        if self._is_on_gpu and saved.get("cuda_rng") is not None:
            torch.cuda.set_rng_state(saved["cuda_rng"], self.device)
        self.step, self.best, self.best_step = saved["step"], saved["best"], saved["best_step"]
        self.log = saved["log"]


def read_state(path: Path) -> dict[str, Any]:
    """A file written by `write_atomically`, as tensors and plain values only."""
    # Not mapped: the file is replaced while its tensors are in use.
    saved: dict[str, Any] = read_torch(path, format_of(path), mapped=False)
    return saved


def detached(module: nn.Module) -> dict[str, Tensor]:
    """A copy of the module's state on the CPU."""
    return {key: value.detach().cpu().clone() for key, value in module.state_dict().items()}
