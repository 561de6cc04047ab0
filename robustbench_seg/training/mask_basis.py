"""The principal components of instance masks, fitted to the training split and kept with the weights."""

from __future__ import annotations

import torch
from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.instance_head import InstanceHead
from robustbench_seg.tasks.instances.masks import crops, fit
from robustbench_seg.tasks.instances.task import InstancesTask
from robustbench_seg.training.batches import Source

IMAGES = 500
"""As many as several thousand masks take; more change no component visibly."""


def fit_masks(module: nn.Module, source: Source) -> None:
    """Fits every instance head with mask codes to masks of the first images; does nothing for other networks."""
    heads = [head for head in module.modules() if isinstance(head, InstanceHead) and head.codes is not None]
    if not heads:
        return
    masks = []
    for index in range(min(IMAGES, len(source.dataset))):
        _, labels = source.read(index)
        truth = labels[InstancesTask.key]
        kept = ~truth.ignored
        masks.append((crops(truth.masks[kept], truth.boxes[kept]) >= 0.5).float())
    samples = torch.cat(masks)
    if not len(samples):
        raise InputError(
            f"data set {source.dataset.name} has no instance to learn masks from in its first {IMAGES} images"
        )
    for head in heads:
        head.set_basis(fit(samples, len(head.components)))
