"""A model as a library of attacks sees it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from robustbench_seg.attacks.context import AttackContext


class ElementLogits(nn.Module):
    """The logits (M,C,P,1) of M versions of one image at the P elements that are to change, as a module.

    Void pixels are not among them, so that no label needs to be legal for a loss that does not know of void. The model
    itself is out of reach: what a library does to the mode, parameters or hooks of a module it does to this one.
    `classes` (1,P,1) are what the elements are to leave or, where `is_targeted`, to become.
    """

    def __init__(self, context: AttackContext, image: int) -> None:
        super().__init__()
        targets = context.class_targets
        self._context, self._image = context, image
        self._elements = targets.mask[image].flatten().nonzero().flatten()
        self.is_targeted = targets.is_targeted
        self.classes = targets.classes[image].flatten()[self._elements].view(1, -1, 1)
        # Libraries ask the parameters of a model for its device.
        self.device_of = nn.Parameter(torch.empty(0, device=context.images.device), requires_grad=False)
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Logits, differentiable; a gradient at the images counts as one that the attack has asked for."""
        if images.requires_grad:
            images.register_hook(lambda gradient: self._context.note(self._image, gradient))  # type: ignore[no-untyped-call]
        return self._context.logits(images).flatten(2).index_select(2, self._elements).unsqueeze(-1)
