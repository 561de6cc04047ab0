"""Parts of a network by their path, and those that are frozen: no gradient, no update, and evaluation statistics."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from robustbench_seg.errors import InputError
from robustbench_seg.registry import unknown


def part_of(network: nn.Module, path: str, where: str) -> nn.Module:
    """The part at a path such as `decoders.depth`; InputError, opened by `where`, where there is none."""
    found, walked = network, ""
    for name in path.split("."):
        parts = {f"{walked}{child}": part for child, part in found.named_children()}
        walked += name
        if walked not in parts:
            raise InputError(f"{where}: {unknown('part', walked, parts) if parts else f'no part {walked!r}'}")
        found, walked = parts[walked], f"{walked}."
    return found


def freeze(network: nn.Module, paths: Sequence[str], where: str) -> None:
    """Takes the gradient from the parameters of the parts; InputError where one is unknown or nothing is left."""
    for path in paths:
        part_of(network, path, where).requires_grad_(False)
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"{where}: nothing is left that learns; name fewer parts")


def train_but(network: nn.Module, paths: Sequence[str]) -> None:
    """Puts the parts in evaluation mode within a network in training mode.

    Their BatchNorm normalises by the statistics it has, and leaves them; their dropout is off.
    """
    for path in paths:
        network.get_submodule(path).eval()
