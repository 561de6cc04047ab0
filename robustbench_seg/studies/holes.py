"""Holes in predicted depth: vehicles that move with the camera, predicted far behind where they are.

Guizilini 2020 (section 4.3) shows them in pictures; here they are counted. `python -m` this module counts those of some
models on the fixed list of vehicles: all in the validation split of `street-b-traffic`, whose frames are `street-b`'s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

import click
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from robustbench_seg.evaluation.spec import ModelSpec
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.street.convoy import Vehicle, vehicles
from robustbench_seg.street.dataset import Street
from robustbench_seg.tasks.depth import TOO_FAR, Depth
from robustbench_seg.tasks.depth_losses import is_labelled

DATA = "street-b-traffic"


def is_hole(predicted: Tensor, truth: Tensor, vehicle: npt.NDArray[np.bool_]) -> bool:
    """Whether most of a vehicle's labelled pixels (H,W) are predicted over twice as far away as they are.

    `predicted` and `truth` (H,W) are in metres.
    """
    chosen = torch.from_numpy(vehicle) & is_labelled(truth)
    return bool((predicted[chosen] > TOO_FAR * truth[chosen]).float().mean() > 0.5)


def holes(model: LoadedModel, data: Street, listed: Iterable[Vehicle]) -> Iterator[bool]:
    """Whether each vehicle is a hole in the depth that a model predicts, aligned with the frame's labels as it says.

    Vehicles of a frame, one after another, share its forward.
    """
    device = next((parameter.device for parameter in model.module.parameters()), torch.device("cpu"))
    for index, vehicles_of_frame in itertools.groupby(listed, lambda vehicle: vehicle.index):
        sample = data[index]
        truth = torch.as_tensor(np.asarray(sample.labels[Depth.key]))
        image = torch.from_numpy(np.array(sample.image)).permute(2, 0, 1)[None].to(device).float() / 255
        with torch.inference_mode():
            output = model.module(image)[Depth.key].cpu()
        metres = Depth().rescaling(output, truth[None], model.depth_align)(output)[0]
        for vehicle in vehicles_of_frame:
            yield is_hole(metres, truth, vehicle.mask)


def listed_vehicles(data: Street) -> list[Vehicle]:
    """The vehicles of all frames of a data set, in its order: a function of the world, the same for every model."""
    return [vehicle for index in range(len(data)) for vehicle in vehicles(data, index)]


@click.command()
@click.option("-m", "models", multiple=True, required=True, help="Of the catalogue, or a folder that train wrote.")
def main(models: tuple[str, ...]) -> None:
    """Count the holes of models."""
    data = Street(DATA)
    listed = listed_vehicles(data)
    for name in models:
        count = sum(holes(ModelSpec.parse(name).load(), data, listed))
        click.echo(f"{name}: {count} of {len(listed)} vehicles are predicted over twice as far away as they are")


if __name__ == "__main__":
    main()
