"""Budgets: a norm and an epsilon around a batch of images, in units of 1/255.

A budget knows how far a perturbation may go and what one step of size alpha is in its geometry. Every
tensor is (N,3,H,W) float32 in [0,1]; every epsilon, step and distance is in units of 1/255.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from robustbench_seg.lazy import Tensor, torch

LEVELS = 255.0
"""Epsilons are in units of one of these: an 8-bit image has levels 0 to 255."""


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
    def distance(self, x: Tensor) -> float:
        """The largest distance of an image of x from its clean one, in this norm."""

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

    def distance(self, x: Tensor) -> float:
        """The largest change of a value."""
        return float((x - self.images).abs().amax()) * LEVELS


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

    def distance(self, x: Tensor) -> float:
        """The largest RMS."""
        return float(rms(x - self.images).amax())

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

    def distance(self, x: Tensor) -> float:
        """0: without an epsilon no distance matters."""
        return 0.0


BUDGETS: dict[str, type[Budget]] = {budget.norm: budget for budget in (LInf, Rms, Unbounded)}


def rms(delta: Tensor) -> Tensor:
    """Root mean square (N,) in units of 1/255 of perturbations (N,3,H,W) given in [0,1] units.

    One image at a time and in float64, so that the result does not depend on the batch.
    """
    return torch.stack([_energy(image).div(image.numel()).sqrt() * LEVELS for image in delta]).to(delta.dtype)


@dataclass(frozen=True, eq=False)
class Strength:
    """How far N images were moved: `rms` and `linf` (N,) in units of 1/255, `snr_db` (N,), all float64."""

    rms: Tensor
    linf: Tensor
    snr_db: Tensor


def strength(images: Tensor, perturbed: Tensor) -> Strength:
    """The realised strength of perturbations of (N,3,H,W) in [0,1], one image at a time so that no batch shows.

    The signal-to-noise ratio is that of Klingner 2020, eq. 7: mean squares of image and perturbation; infinite where
    nothing moved.
    """
    deltas = [x.double() - clean.double() for x, clean in zip(perturbed, images, strict=True)]
    energy = torch.stack([_mean_square(delta) for delta in deltas])
    signal = torch.stack([_mean_square(image) for image in images])
    largest = torch.stack([delta.abs().amax() * LEVELS for delta in deltas])
    return Strength(energy.sqrt(), largest, 10 * torch.log10(signal / energy))


def _mean_square(image: Tensor) -> Tensor:
    return (image.double() * LEVELS).square().mean()


def max_normalised(direction: Tensor) -> Tensor:
    """Each image's direction (N,3,H,W) divided by its largest absolute value; 0 stays 0."""
    peak = direction.abs().amax((1, 2, 3), keepdim=True)
    return direction / torch.where(peak > 0, peak, torch.ones_like(peak))


def scale_to_rms(images: Tensor, direction: Tensor, epsilon: float) -> Tensor:
    """clip(images + s * direction) with s >= 0 solved so that its RMS is `epsilon` / 255 after clipping.

    Images and direction (N,3,H,W); exact to rounding. Where the range leaves no room for epsilon the
    perturbation is as large as it can be; where the direction is 0 the image is unchanged.
    """
    return torch.stack([_scale_one(image, d, epsilon) for image, d in zip(images, direction, strict=True)])


def _energy(x: Tensor) -> Tensor:
    flat = x.flatten().double()
    return flat @ flat


def _scale_one(image: Tensor, direction: Tensor, epsilon: float) -> Tensor:
    """Solve one image by growing the set of clipped values: each pass is exact for the set it assumes."""
    size = direction.abs()
    room = torch.where(direction > 0, 1 - image, image)
    energy = image.numel() * (epsilon / LEVELS) ** 2
    scale, count = 0.0, -1
    clipped = room < 0
    while (now := int(clipped.sum())) != count:
        count = now
        fixed, free = float(_energy(room[clipped])), float(_energy(size[~clipped]))
        if free == 0 or energy <= fixed:
            break
        scale = max(scale, ((energy - fixed) / free) ** 0.5)
        clipped = size * scale > room
    return (image + direction * scale).clamp(0, 1) if scale > 0 else image.clone()
