"""Gated messages between tasks (PAD-Net, Xu 2018), which MTI-Net sends at every scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn


class GatedMessage(nn.Sequential):
    """Spatial attention of one task's map to another's: conv3(x) * sigmoid(conv3'(x)) (PAD-Net, Xu 2018, eq. 4)."""

    def __init__(self, width: int) -> None:
        # Both convolutions in one; the gated linear unit multiplies its first half by the sigmoid of the second.
        super().__init__(nn.Conv2d(width, 2 * width, 3, padding=1, bias=False), nn.GLU(1))


class Distillation(nn.Module):
    """Multi-modal distillation: every target's map plus a gated message from every other task (PAD-Net, module C)."""

    def __init__(self, targets: Sequence[str], sources: Sequence[str], width: int) -> None:
        super().__init__()
        self.messages = nn.ModuleDict(
            {
                target: nn.ModuleDict({source: GatedMessage(width) for source in sources if source != target})
                for target in targets
            }
        )

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One map (N,width,h,w) per target, of one map of the same shape per source."""
        distilled = {}
        for target, messages in self.messages.items():
            distilled[target] = features[target]
            for source, message in messages.items():  # type: ignore[operator]
                distilled[target] = distilled[target] + message(features[source])
        return distilled
