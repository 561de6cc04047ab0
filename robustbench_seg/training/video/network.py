"""What is trained from labels and video: a network that both pass through, and one for the camera's motion."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from robustbench_seg.training.place import in_float32
from robustbench_seg.training.video.clips import Clips
from robustbench_seg.training.video.warping import rigid

Inverses = tuple[Tensor, ...]
"""Inverse depths (N,1,h,w) of one batch of images, fine to coarse."""


@dataclass(frozen=True)
class Predicted:
    """Outputs of the labelled images, inverse depths of the clips, motions of the camera.

    The motions (N,6) are those from the previous frame and to the next one, see `PoseNetwork`.
    """

    outputs: dict[str, Any]
    inverses: Inverses
    motions: tuple[Tensor, Tensor]

    def transforms(self) -> tuple[Tensor, Tensor]:
        """What takes points of the current frame into the previous and into the next one, each (N,4,4)."""
        since, until = self.motions
        return rigid(since, inverse=True), rigid(until)

    def float(self) -> Predicted:
        """The same in float32, after half precision."""
        return Predicted(in_float32(self.outputs), in_float32(self.inverses), in_float32(self.motions))


class JointNet(nn.Module, ABC):
    """A network that labelled images and frames pass through in one batch, and a pose network."""

    def __init__(self, network: nn.Module, pose: nn.Module) -> None:
        super().__init__()
        self.network, self.pose = network, pose

    def forward(self, images: Tensor, clips: Clips) -> Predicted:
        """Labelled images (N,3,H,W), which may be none, and clips of the same size, multiples of 32."""
        outputs, inverses = self.predicted(images, clips.now)
        return Predicted(outputs, inverses, self.pose(clips.before, clips.now, clips.after))

    @abstractmethod
    def predicted(self, images: Tensor, frames: Tensor) -> tuple[dict[str, Any], Inverses]:
        """The outputs of the images that have labels, and the inverse depths of the frames."""

    def depth_parameters(self) -> list[nn.Parameter]:
        """Those that depth has for itself."""
        return []
