"""The two sides' losses: discriminators tell the domains apart, the network makes its target look like its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Verdict:
    """A discriminator's logits (N,1,h,w) of one task at one level, above 0 where it takes them for the source's.

    Gradients of `source` and `target` reach the discriminator alone, those of `fooled`, again of the target, the
    network alone.
    """

    source: Tensor
    target: Tensor
    fooled: Tensor

    def float(self) -> Verdict:
        """The same in float32, after half precision."""
        return Verdict(self.source.float(), self.target.float(), self.fooled.float())


Verdicts = Sequence[Mapping[str, Verdict]]
"""Verdicts by task: first those of the intermediate predictions, level by level, last those of the outputs."""


def domain_loss(logits: Tensor, domain: float) -> Tensor:
    """Binary cross-entropy of being the source's, 1, or the target's, 0; the mean over images and patches."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, domain))


def discriminator_loss(verdicts: Verdicts) -> Tensor:
    """How badly the discriminators tell the source, 1, from the target, 0; the sum over all of them."""
    each = [verdict for level in verdicts for verdict in level.values()]
    return torch.stack([(domain_loss(v.source, 1.0) + domain_loss(v.target, 0.0)) / 2 for v in each]).sum()


def adversarial_loss(verdicts: Verdicts) -> Tensor:
    """How little the target looks like the source, 1: the mean over intermediate levels plus the outputs'.

    Tasks are summed (DenseMTL 2023, as its supervised losses are).
    """
    *levels, final = [torch.stack([domain_loss(v.fooled, 1.0) for v in level.values()]).sum() for level in verdicts]
    return torch.stack(levels).mean() + final if levels else final
