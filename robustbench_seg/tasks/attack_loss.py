"""Losses that an attack may ascend in place of a task's own: a value per pixel, and how much each pixel counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from robustbench_seg.lazy import Tensor
from robustbench_seg.tasks.masked import masked_mean


def _alike(label: Tensor) -> Tensor | float:
    return 1.0


@dataclass(frozen=True)
class AttackLoss:
    """A loss between an output and a label, or another output taken for one, as the mean over an image's pixels.

    `pixels(output, label)` are its values (N,H,W). `focus(output, label, progress)` (N,H,W) in [0,1] is how much a
    pixel counts that is to be driven away from its label, at a share `progress` of the steps; one that is to be driven
    there counts 1 less that. It has no gradient. `balance(label)` multiplies both.
    """

    title: str
    pixels: Callable[[Tensor, Tensor], Tensor]
    focus: Callable[[Tensor, Tensor, float], Tensor] | None = None
    balance: Callable[[Tensor], Tensor | float] = _alike

    def away(self, output: Tensor, label: Tensor, valid: Tensor, progress: float) -> Tensor:
        """What to ascend (N,) to leave the label; `valid` (N,H,W) bool are the pixels that have one."""
        focus = 1.0 if self.focus is None else self.focus(output.detach(), label, progress)
        return masked_mean(focus * self.balance(label) * self.pixels(output, label), valid)

    def toward(self, output: Tensor, target: Tensor, progress: float) -> Tensor:
        """What to descend (N,) to reach the target, which is an output in the form of a label."""
        rest = 1.0 if self.focus is None else 1 - self.focus(output.detach(), target, progress)
        return (rest * self.balance(target) * self.pixels(output, target)).flatten(1).mean(1)
