"""How depth in no unit, or of unknown scale and shift, is brought to the labels before it is compared with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from robustbench_seg.errors import UsageError
from robustbench_seg.lazy import Tensor, torch
from robustbench_seg.registry import unknown
from robustbench_seg.tasks.depth_losses import MAX_DEPTH

DepthAlign = Literal["none", "median", "affine"]
NONE: DepthAlign = "none"
MEDIAN: DepthAlign = "median"
AFFINE: DepthAlign = "affine"
LEAST = 1e-6
"""No inverse depth is nearer to 0, so that depth is finite."""

Change = Callable[["Tensor"], "Tensor"]
"""Depth (N,H,W) as it is compared with labels in metres."""


@dataclass(frozen=True, eq=False)
class Counted:
    """What a prediction is fitted to: labels (N,H,W) in metres, which of them count, and what none is beyond."""

    label: Tensor
    known: Tensor
    farthest: float = MAX_DEPTH


def in_order(output: Tensor, counted: Counted) -> Tensor:
    """No image (N,) bool: near stays near."""
    return output.new_zeros(len(output), dtype=torch.bool)


@dataclass(frozen=True)
class DepthAlignment:
    """How depth is aligned: `fit` takes a prediction (N,H,W) and what counts, and what it gives a constant of both.

    `has_shift` says that inverse depth has an unknown shift, so that a negative one means something. `reversed` says
    in which images (N,) bool near and far change places.
    """

    fit: Callable[[Tensor, Counted], Change]
    has_shift: bool = False
    reversed: Callable[[Tensor, Counted], Tensor] = in_order

    def inverted(self, inverse: Tensor) -> Tensor:
        """The depth of inverse depth, finite: below 0 all is infinitely far, unless there is a shift."""
        return _inverse(inverse if self.has_shift else inverse.clamp(min=0))


def as_given(output: Tensor, counted: Counted) -> Change:
    """Metres, which need nothing."""
    return lambda value: value


def scaled(output: Tensor, counted: Counted) -> Change:
    """Depth whose median over an image's valid pixels is that of the label (Zhou et al. 2017)."""
    ratio = median_ratio(output, counted).view(-1, 1, 1)
    return lambda value: value * ratio


def affine(output: Tensor, counted: Counted) -> Change:
    """Depth whose inverse is that of the output, scaled and shifted to fit the label's; none is beyond the farthest.

    By least squares over each image's valid pixels (Ranftl et al. 2020, MiDaS, eq. 1 to 5).
    """
    scale, shift = (value.view(-1, 1, 1) for value in scale_and_shift(output, counted))
    return lambda value: (scale * _inverse(value) + shift).clamp(min=1 / counted.farthest).reciprocal()


def has_negative_scale(output: Tensor, counted: Counted) -> Tensor:
    """In which images (N,) bool the inverse depth that fits best grows as that of the output falls."""
    return scale_and_shift(output, counted)[0] < 0


ALIGNMENTS: dict[str, DepthAlignment] = {
    NONE: DepthAlignment(as_given),
    MEDIAN: DepthAlignment(scaled),
    AFFINE: DepthAlignment(affine, has_shift=True, reversed=has_negative_scale),
}
"""By the name a model's `depth_align` gives them."""


def alignment_of(name: str) -> DepthAlignment:
    """The alignment of that name; UsageError where there is none."""
    if name not in ALIGNMENTS:
        raise UsageError(unknown("depth alignment", name, ALIGNMENTS))
    return ALIGNMENTS[name]


def median_ratio(output: Tensor, counted: Counted) -> Tensor:
    """median(label) / median(prediction) over the valid pixels (N,), detached; 1 where none is valid."""
    known = counted.known
    truth, predicted = (
        torch.where(known, values, torch.nan).flatten(1).nanmedian(1).values
        for values in (counted.label, output.detach())
    )
    return torch.where(known.flatten(1).any(1), truth / predicted.clamp(min=1e-9), 1.0)


def scale_and_shift(output: Tensor, counted: Counted) -> tuple[Tensor, Tensor]:
    """A and b (N,) of least squares of a / output + b to 1 / label over the valid pixels, detached.

    1 and 0 where none is valid; where the prediction is constant a is 0.
    """
    known = counted.known
    count = known.flatten(1).sum(1).clamp(min=1)

    def mean(values: Tensor) -> Tensor:
        return torch.where(known, values, 0.0).flatten(1).sum(1) / count

    x, y = (_inverse(torch.where(known, values, 1.0).double()) for values in (output.detach(), counted.label))
    mean_x, mean_y = mean(x), mean(y)
    dx, dy = x - mean_x.view(-1, 1, 1), y - mean_y.view(-1, 1, 1)
    variance = mean(dx.square())
    # What rounding leaves of a constant is none.
    is_constant = variance <= 1e-12 * mean_x.square()
    scale = torch.where(is_constant, 0.0, mean(dx * dy) / torch.where(is_constant, 1.0, variance))
    shift = mean_y - scale * mean_x
    has_label = known.flatten(1).any(1)
    found = torch.where(has_label, scale, 1.0), torch.where(has_label, shift, 0.0)
    return found[0].to(output.dtype), found[1].to(output.dtype)


def _inverse(values: Tensor) -> Tensor:
    """1 / x, for an x of 0 too."""
    sign = torch.where(values < 0, -1.0, 1.0)
    return (sign * values.abs().clamp(min=LEAST)).reciprocal()
