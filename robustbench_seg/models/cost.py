"""What a model costs: the columns of UniNet 2021, table 1."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from robustbench_seg.models.freezing import frozen

REPEATS = 20
ENERGY_REPEATS = 500
"""Forward passes over which energy is averaged, as in the paper."""


@dataclass(frozen=True)
class ModelCost:
    """Of one image of `size` (H,W): multiply-accumulates, images a second at batch 1 and joules on `device`.

    `joules` is None where the device does not report its power.
    """

    size: tuple[int, int]
    macs: int
    parameters: int
    images_per_second: float
    joules: float | None
    device: str

    def text(self) -> str:
        """One line."""
        energy = "energy not reported" if self.joules is None else f"{self.joules:.2f} J an image"
        return (
            f"{self.size[0]}x{self.size[1]}: {self.macs / 1e9:.3f} GMAC, {self.parameters / 1e6:.2f} M parameters, "
            f"{self.images_per_second:.1f} images/s at batch 1 on {self.device}, {energy}"
        )


def count_macs(module: nn.Module, size: tuple[int, int]) -> int:
    """Multiply-accumulates of one image in the convolutions and matrix products, as torch counts them."""
    device = next(module.parameters()).device
    with frozen(module), torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(1, 3, *size, device=device))
    # torch counts a multiplication and an addition as two operations.
    return int(counter.get_total_flops()) // 2


def measure_cost(module: nn.Module, size: tuple[int, int], device: str) -> ModelCost:
    """The cost of a model that is on `device`, in evaluation mode; the median of several timings after a warm-up."""
    macs = count_macs(module, size)
    image = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)).to(device)
    with frozen(module), torch.no_grad():
        median = statistics.median([seconds(lambda: module(image), device) for _ in range(REPEATS + 3)][3:])
        joules = _energy(module, image, device)
    parameters = sum(parameter.numel() for parameter in module.parameters())
    return ModelCost(size, macs, parameters, 1 / median, joules, device)


def seconds(work: Callable[[], object], device: str) -> float:
    """Return how long one call takes; what a GPU had to do before is not counted, all that it is given is."""
    _wait_for(device)
    start = time.perf_counter()
    work()
    _wait_for(device)
    return time.perf_counter() - start


def typical_seconds(work: Callable[[], object], device: str, enough: float = 0.2) -> float:
    """The median of several calls after one that is not counted; of fewer where they take `enough` seconds in all."""
    work()
    taken = [seconds(work, device)]
    while sum(taken) < enough and len(taken) < 5:
        taken.append(seconds(work, device))
    return statistics.median(taken)


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def _energy(module: nn.Module, image: torch.Tensor, device: str) -> float | None:
    """Mean power times time; None without a GPU that reports its power (through pynvml)."""
    if not device.startswith("cuda"):
        return None
    try:
        torch.cuda.power_draw(device)
    except (ModuleNotFoundError, RuntimeError):
        return None
    powers, start = [], time.perf_counter()
    for repeat in range(ENERGY_REPEATS):
        module(image)
        if repeat % 50 == 0:
            torch.cuda.synchronize(device)
            powers.append(torch.cuda.power_draw(device) / 1000)
    torch.cuda.synchronize(device)
    return statistics.mean(powers) * (time.perf_counter() - start) / ENERGY_REPEATS
