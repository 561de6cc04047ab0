"""A frozen model whose segmentation of the clean images says which region a pixel belongs to."""

from __future__ import annotations

from torch import Tensor

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import align
from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.spec import ModelSpec
from robustbench_seg.models.base import LoadedModel, restricted
from robustbench_seg.tasks.semantic import Semantic


def load_segmenter(name: str) -> LoadedModel:
    """The model that `-m` would call so; UsageError where there is none, or it has no segmentation."""
    try:
        model = ModelSpec.parse(name).load()
    except UsageError as error:
        raise UsageError(f"regions '{name}' are neither label, prediction nor a model: {error}") from error
    if Semantic.name not in model.tasks:
        raise UsageError(f"regions '{name}': that model has no segmentation, only {', '.join(model.tasks)}")
    return model


class Segmenter:
    """A model on a device, in its own classes; `seeing` counts what goes through it."""

    def __init__(self, model: LoadedModel, device: str) -> None:
        classes = model.class_set(Semantic.name)
        module = restricted(model.module, (Semantic.name,)).to(device)
        self.seeing = TargetModel(module, [Semantic()], align(classes, classes))

    def classes(self, images: Tensor) -> Tensor:
        """The most likely class (N,H,W) in images (N,3,H,W)."""
        return Semantic().prediction(self.seeing.outputs(images)[Semantic.key])
