"""What a data set looks like on average, as models that never look at their image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustbench_seg.data.base import Dataset
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.catalogue.weights import digest
from robustbench_seg.tasks.depth_align import NONE
from robustbench_seg.tasks.depth_losses import MAX_DEPTH, is_labelled


class Constant(nn.Module):
    """The same output (…,H,W) of one task for every image."""

    output: Tensor

    def __init__(self, key: str, output: Tensor) -> None:
        super().__init__()
        self.key = key
        self.register_buffer("output", output)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """The output (N,…,H,W) by the task's key."""
        return {self.key: self.output.expand(len(images), *self.output.shape)}


def mean_depth(dataset: Dataset) -> Tensor:
    """The mean over a data set of every pixel's valid depths (H,W) in metres."""
    depths = torch.stack([torch.as_tensor(dataset[i].labels["depth"]).double() for i in range(len(dataset))])
    # Where nothing was ever valid there is the sky.
    return depths.where(is_labelled(depths), torch.nan).nanmean(0).nan_to_num(MAX_DEPTH).float()


def mean_normals(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """The mean direction over all pixels of a data set (3,H,W), and that of every pixel."""
    total = sum(torch.as_tensor(dataset[i].labels["normals"]).double() for i in range(len(dataset)))
    assert isinstance(total, Tensor)
    everywhere = nn.functional.normalize(total.sum((1, 2), keepdim=True), dim=0).expand_as(total)
    known = total.square().sum(0, keepdim=True) > 0
    by_pixel = nn.functional.normalize(total, dim=0).where(known, everywhere)
    return everywhere.float().contiguous(), by_pixel.float()


def constant(name: str, task: str, output: Tensor, dataset: Dataset, *, depth_align: str = NONE) -> InMemory:
    """A model that predicts the same for every image of a kind; depth scaled to each label's median where asked."""
    module = Constant(task, output)
    return InMemory(
        name, LoadedModel(name, module.eval(), (task,), dataset.classes, depth_align, digest(module), "study")
    )
