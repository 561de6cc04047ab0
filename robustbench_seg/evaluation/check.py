"""Whether a model can be evaluated: a forward and a gradient on noise, at a size that is a multiple of nothing.

Where it does not take that size, at the data's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from robustbench_seg.attacks.target_model import TargetModel, finite
from robustbench_seg.classes import align
from robustbench_seg.errors import InputError
from robustbench_seg.models.adapters.sizes import advice, least_multiple
from robustbench_seg.models.base import LoadedModel, in_own_classes
from robustbench_seg.models.cost import measure_cost
from robustbench_seg.registry import described
from robustbench_seg.tasks.base import Outputs, Task
from robustbench_seg.tasks.instances.dense import DenseInstances

_SIZE = (75, 101)


def check_model(model: LoadedModel, size: tuple[int, int], device: str) -> Iterator[str]:
    """Lines on what the model is, gives and costs at `size`; InputError with the reason where it cannot be attacked."""
    parameters = sum(parameter.numel() for parameter in model.module.parameters())
    yield f"{model.name}: {parameters / 1e6:.2f} M parameters, tasks {', '.join(model.tasks)}, from {model.origin}"
    yield from (f"note: {note}" for note in model.notes)
    tasks = in_own_classes(model)
    alignment = align(model.classes, model.classes) if any(task.has_classes for task in tasks.values()) else None
    target_model = TargetModel(model.module, tasks.values(), alignment)
    outputs, gradient = _run(target_model, model.name, size)
    height, width = gradient.shape[-2:]
    if (height, width) != _SIZE:
        yield f"sizes: {_sizes(model.module, size)}"
    for key, output in outputs.items():
        if not bool(finite(output).all()):
            raise InputError(f"model '{model.name}': output '{key}' is not finite; check --normalize and --weights")
        yield f"{key}: {_described(output)} for a {(height, width)} image"
    yield f"gradient at the input: RMS {gradient.square().mean().sqrt().item():.3g}"
    yield f"cost at {measure_cost(model.module.to(device), size, device).text()}"


def _run(target_model: TargetModel, name: str, size: tuple[int, int]) -> tuple[Outputs, Tensor]:
    """Outputs and gradient at a size that is a multiple of nothing, else at the data's; InputError where both fail."""
    try:
        return _outputs_and_gradient(target_model, _SIZE)
    except Exception:
        # Many networks take multiples of 32 alone, or images larger than that: what counts is the data's size.
        try:
            return _outputs_and_gradient(target_model, size)
        except InputError:
            raise
        except Exception as error:
            what = f"model '{name}' fails on an image of {size[0]}x{size[1]}: {described(error)[:300]}"
            raise InputError(what + advice(target_model.module, size)) from error


def _outputs_and_gradient(target_model: TargetModel, size: tuple[int, int]) -> tuple[Outputs, Tensor]:
    images = torch.rand((1, 3, *size), generator=torch.Generator().manual_seed(0))
    with target_model.frozen():
        gradient = target_model.gradient(images, partial(_spread, target_model.tasks))
        return target_model.outputs(images), gradient


def _sizes(module: nn.Module, size: tuple[int, int]) -> str:
    """What sizes a module takes that runs on `size`."""
    multiple = least_multiple(module, size)
    if multiple is None:
        return f"{size[0]}x{size[1]}, not all others"
    return f"multiples of {multiple} alone; --pad-to {multiple} takes any" if multiple > 1 else "not the smallest"


def _described(output: Tensor | DenseInstances) -> str:
    if isinstance(output, DenseInstances):
        return f"{output.classes.shape[1]} candidates of {output.classes.shape[2]} classes"
    low, high = output.min().item(), output.max().item()
    return f"{tuple(output.shape[1:])}, values {low:.3g} to {high:.3g}"


def _spread(tasks: Mapping[str, Task], outputs: Outputs) -> Tensor:
    """A per-image number that every output enters; `tasks` by the key of their output."""
    parts = [part for key, task in tasks.items() for part in task.parts(outputs[key])]
    return torch.stack([part.square().flatten(1).mean(1) for part in parts]).sum(0)
