"""Whether a model can be evaluated: one forward and one gradient on noise, at a size that is a multiple of nothing."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from robustbench_seg.attacks.victim import Victim, frozen
from robustbench_seg.classes import align
from robustbench_seg.errors import InputError
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.registry import one_line
from robustbench_seg.tasks.base import Outputs

_SIZE = (75, 101)


def check_model(model: LoadedModel) -> Iterator[str]:
    """Lines on what the model is and gives; InputError with the reason where it cannot be attacked."""
    parameters = sum(parameter.numel() for parameter in model.module.parameters())
    yield f"{model.name}: {parameters / 1e6:.2f} M parameters, tasks {', '.join(model.tasks)}, from {model.origin}"
    alignment = align(model.classes, model.classes) if "semantic" in model.tasks else None
    victim = Victim(model.module, model.tasks, alignment)
    images = torch.rand((1, 3, *_SIZE), generator=torch.Generator().manual_seed(0))
    try:
        with frozen(model.module):
            outputs = victim.outputs(images)
            gradient = victim.gradient(images, _spread)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"model '{model.name}' fails on a {_SIZE} image: {one_line(error)[:300]}") from error
    for task, output in outputs.items():
        if not bool(torch.isfinite(output).all()):
            raise InputError(f"model '{model.name}': output '{task}' is not finite; check --normalize and --weights")
        low, high = output.min().item(), output.max().item()
        yield f"{task}: {tuple(output.shape[1:])} for a {_SIZE} image, values {low:.3g} to {high:.3g}"
    if not bool(gradient.any()):
        raise InputError(f"model '{model.name}': the gradient at its input is zero; does it detach its input?")
    yield f"gradient at the input: RMS {gradient.square().mean().sqrt().item():.3g}; ok"


def _spread(outputs: Outputs) -> Tensor:
    """A per-image number that every output enters."""
    return torch.stack([value.square().flatten(1).mean(1) for value in outputs.values()]).sum(0)
