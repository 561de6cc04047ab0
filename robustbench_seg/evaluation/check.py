"""Whether a model can be evaluated: one forward and one gradient on noise, at a size that is a multiple of nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from robustbench_seg.attacks.target_model import TargetModel, finite
from robustbench_seg.classes import align
from robustbench_seg.errors import InputError
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.cost import measure_cost
from robustbench_seg.models.freezing import frozen
from robustbench_seg.registry import described
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.registry import load_tasks

_SIZE = (75, 101)


def check_model(model: LoadedModel, size: tuple[int, int], device: str) -> Iterator[str]:
    """Lines on what the model is, gives and costs at `size`; InputError with the reason where it cannot be attacked."""
    parameters = sum(parameter.numel() for parameter in model.module.parameters())
    yield f"{model.name}: {parameters / 1e6:.2f} M parameters, tasks {', '.join(model.tasks)}, from {model.origin}"
    tasks = load_tasks(model.tasks)
    alignment = align(model.classes, model.classes) if any(task.has_classes for task in tasks.values()) else None
    target_model = TargetModel(model.module, tasks.values(), alignment)
    images = torch.rand((1, 3, *_SIZE), generator=torch.Generator().manual_seed(0))
    try:
        with frozen(model.module):
            outputs = target_model.outputs(images)
            gradient = target_model.gradient(images, partial(_spread, target_model.tasks))
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"model '{model.name}' fails on a {_SIZE} image: {described(error)[:300]}") from error
    for key, output in outputs.items():
        if not bool(finite(output).all()):
            raise InputError(f"model '{model.name}': output '{key}' is not finite; check --normalize and --weights")
        yield f"{key}: {_described(output)}"
    yield f"gradient at the input: RMS {gradient.square().mean().sqrt().item():.3g}"
    yield f"cost at {measure_cost(model.module.to(device), size, device).text()}"


def _described(output: Tensor | DenseInstances) -> str:
    if isinstance(output, DenseInstances):
        return f"{output.classes.shape[1]} candidates of {output.classes.shape[2]} classes for a {_SIZE} image"
    low, high = output.min().item(), output.max().item()
    return f"{tuple(output.shape[1:])} for a {_SIZE} image, values {low:.3g} to {high:.3g}"


def _spread(tasks: Mapping[str, Task], outputs: Outputs) -> Tensor:
    """A per-image number that every output enters; `tasks` by the key of their output."""
    parts = [part for key, task in tasks.items() for part in task.parts(outputs[key])]
    return torch.stack([part.square().flatten(1).mean(1) for part in parts]).sum(0)
