"""The multi-task baseline: a shared encoder and a light head a task; with one task, the single-task network.

By the parameters that UniNet 2021 prints, its heads are DeepLab's on the last level alone. At /32 a small image has
next to nothing left; the head here uses all levels.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from robustbench_seg.models.blocks.deephead import LightHead, chosen_tasks, finished
from robustbench_seg.models.blocks.encoders import Encoder
from robustbench_seg.models.blocks.multitask import padded
from robustbench_seg.models.blocks.normalization import Normalization, Normalize


class MTLNet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size."""

    def __init__(
        self,
        encoder: Encoder,
        width: int,
        skip_finest: int,
        tasks: Sequence[str],
        num_classes: int,
        normalization: Normalization,
    ) -> None:
        """`width` of the heads, which use every encoder level but the `skip_finest` finest."""
        super().__init__()
        self.normalize = Normalize(normalization)
        self.encoder = encoder
        self.skip_finest = skip_finest
        used = encoder.channels[skip_finest:]
        self.tasks = chosen_tasks(tasks)
        self.heads = nn.ModuleDict(
            {name: LightHead(used, width, task, num_classes) for name, task in self.tasks.items()}
        )

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """One output a task."""
        x = padded(self.normalize(images))
        features = self.encoder(x)[self.skip_finest :]
        raw = {task: head(features) for task, head in self.heads.items()}
        return finished(self.tasks, raw, x.shape[-2:], images.shape[-2:])
