"""Noise: Gaussian and salt-and-pepper, exactly at the requested RMS after clipping (Klingner 2020, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budget import GREY, Budget
from robustbench_seg.attacks.problem import Problem


@dataclass(frozen=True)
class Noise(Perturbation):
    """Randomness without a model: one draw an image serves every radius and every model."""

    norms: ClassVar[tuple[str, ...]] = ("rms",)
    default_objectives: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True)
class Gaussian(Noise):
    """White Gaussian noise on every value, scaled so that its RMS is epsilon after clipping."""

    def run(self, problem: Problem, budget: Budget) -> Tensor:
        """The unit draw added to the images; the budget scales it onto its sphere."""
        return problem.images + self._unit(problem)

    def run_grid(self, problem: Problem, budgets: Sequence[Budget]) -> Iterator[tuple[Budget, Tensor]]:
        """One draw for the whole grid."""
        noisy = problem.images + self._unit(problem)
        yield from ((budget, noisy) for budget in budgets)

    def _unit(self, problem: Problem) -> Tensor:
        shape = problem.images.shape[1:]
        draws = [g.standard_normal(shape, dtype="float32") for g in problem.generators("gaussian")]
        return torch.stack([torch.from_numpy(d) for d in draws]).to(problem.images.device)


@dataclass(frozen=True)
class SaltAndPepper(Noise):
    """Whole pixels set to black or white, in an order drawn once an image.

    The shortest prefix whose energy reaches epsilon^2 * 3HW is taken, its last pixel moved only part of the way: the
    RMS is exact at every size, and a larger epsilon contains a smaller one.
    """

    def run(self, problem: Problem, budget: Budget) -> Tensor:
        """Salted images, image by image on the CPU."""
        salted = [
            _salt(image.cpu().numpy(), budget.epsilon / GREY, draw)
            for image, draw in zip(problem.images, problem.generators("salt_and_pepper"), strict=True)
        ]
        return torch.from_numpy(np.stack(salted)).to(problem.images.device)


def _salt(image: np.ndarray, radius: float, draw: np.random.Generator) -> np.ndarray:
    pixels = image.reshape(3, -1)
    order = draw.permutation(pixels.shape[1])
    delta = draw.integers(0, 2, pixels.shape[1]).astype(np.float32)[order] - pixels[:, order]
    energy = np.cumsum(np.square(delta, dtype=np.float64).sum(0))
    wanted = radius**2 * pixels.size
    full = int(np.searchsorted(energy, wanted))
    salted = pixels.copy()
    salted[:, order[:full]] += delta[:, :full]
    if full < len(order):
        before = energy[full - 1] if full else 0.0
        part = np.sqrt((wanted - before) / (energy[full] - before))
        salted[:, order[full]] += np.float32(part) * delta[:, full]
    return salted.reshape(image.shape)
