"""Budgets: a norm and an epsilon around a batch of images, in units of 1/255.

A budget knows how far a perturbation may go and what one step of size alpha is in its geometry. Every
tensor is (N,3,H,W) float32 in [0,1]; every epsilon, step and distance is in units of 1/255.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.transfer import Lagging

LEVELS = 255.0
"""Epsilons are in units of one of these: an 8-bit image has levels 0 to 255."""
MOST_PASSES = 32
"""Each makes the missing energy times the energy still free at least four times smaller (Radzik 1992)."""


@dataclass(frozen=True, eq=False)
class Budget(ABC):
    """A ball around `images` (N,3,H,W) of epsilon `epsilon`, within the valid range [0,1]."""

    images: Tensor
    epsilon: float
    norm: ClassVar[str]
    title: ClassVar[str]

    @abstractmethod
    def step(self, direction: Tensor, alpha: float) -> Tensor:
        """The displacement of size alpha along `direction` that is steepest in this norm (0 where it is 0)."""

    @abstractmethod
    def shrink(self, delta: Tensor) -> Tensor:
        """The nearest perturbation (N,3,H,W) that the ball holds, whatever the valid range."""

    def project(self, x: Tensor) -> Tensor:
        """The nearest point of the ball, clipped to the valid range."""
        return (self.images + self.shrink(x - self.images)).clamp(0, 1)

    @abstractmethod
    def distance(self, x: Tensor) -> Tensor:
        """The distance (N,) of each image of x from its clean one, in this norm and units of 1/255."""

    def finish(self, x: Tensor) -> Tensor:
        """What is done once at the end of an attack; the projection unless the norm asks for more."""
        return self.project(x)


class LInf(Budget):
    """No value moves by more than epsilon."""

    norm = "linf"
    title = "L∞"

    def step(self, direction: Tensor, alpha: float) -> Tensor:
        """`alpha` times the sign."""
        return direction.sign() * (alpha / LEVELS)

    def shrink(self, delta: Tensor) -> Tensor:
        """Clamp every value."""
        epsilon = self.epsilon / LEVELS
        return delta.clamp(-epsilon, epsilon)

    def distance(self, x: Tensor) -> Tensor:
        """The largest change of a value."""
        return largest(x - self.images) * LEVELS


class Rms(Budget):
    """Equal signal-to-noise ratio: the root mean square over an image's 3HW values is exactly epsilon.

    Iterates stay in the L2 ball of epsilon epsilon * sqrt(3HW); at the end each perturbation is scaled onto the
    sphere by a factor solved after range clipping.
    """

    norm = "rms"
    title = "RMS"

    def step(self, direction: Tensor, alpha: float) -> Tensor:
        """The direction scaled to RMS alpha, image by image."""
        # Gradients of saturated nets can be so small that their squares, and even alpha / size, leave the range.
        direction = max_normalised(direction)
        size = rms(direction)
        return direction * torch.where(size > 0, alpha / size, torch.zeros_like(size)).view(-1, 1, 1, 1)

    def shrink(self, delta: Tensor) -> Tensor:
        """Scale each image's perturbation into the L2 ball."""
        factor = (self.epsilon / rms(delta).clamp(min=1e-12)).clamp(max=1)
        return delta * factor.view(-1, 1, 1, 1)

    def distance(self, x: Tensor) -> Tensor:
        """The RMS."""
        return rms(x - self.images)

    def finish(self, x: Tensor) -> Tensor:
        """Scale each image's perturbation onto the sphere."""
        return scale_to_rms(self.images, x - self.images, self.epsilon)


class Unbounded(Budget):
    """Only the valid range binds; for attacks that stop by themselves (DAG)."""

    norm = "none"
    title = "unbounded"

    def step(self, direction: Tensor, alpha: float) -> Tensor:
        """The direction scaled so that its largest value is alpha."""
        return max_normalised(direction) * (alpha / LEVELS)

    def shrink(self, delta: Tensor) -> Tensor:
        """The perturbation as it is."""
        return delta

    def project(self, x: Tensor) -> Tensor:
        """Clip the range."""
        return x.clamp(0, 1)

    def distance(self, x: Tensor) -> Tensor:
        """0: without an epsilon no distance matters."""
        return x.new_zeros(len(x))


BUDGETS: dict[str, type[Budget]] = {budget.norm: budget for budget in (LInf, Rms, Unbounded)}


def rms(delta: Tensor) -> Tensor:
    """Root mean square (N,) in units of 1/255 of perturbations (N,3,H,W) given in [0,1] units."""
    return (_energy(delta) / delta[0].numel()).sqrt().mul(LEVELS).to(delta.dtype)


def _energy(values: Tensor) -> Tensor:
    """Sums of squares (N,) in float64, each row first, so that the result does not depend on the batch."""
    rows: Tensor = torch.linalg.vector_norm(values, dim=3, dtype=torch.float64)
    return rows.square().sum((1, 2))


def largest(values: Tensor) -> Tensor:
    """The largest absolute value (N,) of each image (N,3,H,W); NaN where one is."""
    # Of zeros the lesser is -0.
    return torch.maximum(values.amax((1, 2, 3)), -values.amin((1, 2, 3))).abs()


@dataclass(frozen=True, eq=False)
class Strength:
    """How far N images were moved: `rms` and `linf` (N,) in units of 1/255, `snr_db` (N,), all float64."""

    rms: Tensor
    linf: Tensor
    snr_db: Tensor


def strength(images: Tensor, perturbed: Tensor) -> Strength:
    """The realised strength of perturbations of (N,3,H,W) in [0,1].

    The signal-to-noise ratio is that of Klingner 2020, eq. 7: mean squares of image and perturbation; infinite where
    nothing moved.
    """
    delta = perturbed.double() - images.double()
    size = images[0].numel()
    noise, signal = _energy(delta) / size, _energy(images) / size
    return Strength(noise.sqrt() * LEVELS, largest(delta) * LEVELS, 10 * torch.log10(signal / noise))


def max_normalised(direction: Tensor) -> Tensor:
    """Each image's direction (N,3,H,W) divided by its largest absolute value; 0 stays 0."""
    peak = largest(direction).view(-1, 1, 1, 1)
    return direction / torch.where(peak > 0, peak, torch.ones_like(peak))


def scale_to_rms(images: Tensor, direction: Tensor, epsilon: float) -> Tensor:
    """clip(images + s * direction) with s >= 0 solved so that its RMS is `epsilon` / 255 after clipping.

    Images and direction (N,3,H,W); exact to rounding. Where the range leaves no room for epsilon the
    perturbation is as large as it can be; where the direction is 0 the image is unchanged.
    """
    # Newton's method on the energy as a function of s², which is concave and piecewise linear: from below it reaches
    # the solution in a few passes, each of them exact for the set of values that it assumes to be clipped.
    size, room = direction.abs(), torch.where(direction > 0, 1 - images, images)
    wanted = images[0].numel() * (epsilon / LEVELS) ** 2
    scale, clipped, is_solved = torch.zeros(len(images), dtype=torch.float64, device=images.device), room < 0, Lagging()
    for _ in range(MOST_PASSES):
        left = wanted - _energy(torch.where(clipped, room, 0))
        free = _energy(torch.where(clipped, 0, size))
        grown = torch.where((left > 0) & (free > 0), (left / free).sqrt(), scale)
        scale = torch.maximum(scale, grown)
        before, clipped = clipped, size * _over(scale, size) > room
        if is_solved((before == clipped).all()):
            break
    scaled = (images + direction * _over(scale, size)).clamp(0, 1)
    return torch.where(_over(scale, size) > 0, scaled, images)


def _over(factors: Tensor, images: Tensor) -> Tensor:
    """One factor (N,) per image, to be multiplied with images (N,3,H,W)."""
    return factors.to(images.dtype).view(-1, 1, 1, 1)
