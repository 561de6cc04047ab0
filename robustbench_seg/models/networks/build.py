"""Builds the networks that a card or recipe names, and those that guide others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from robustbench_seg.errors import InputError, RobustsegError
from robustbench_seg.models.blocks.depthnet import Gradients, Guide
from robustbench_seg.models.blocks.encoders import FAULTS
from robustbench_seg.models.blocks.fpn import FPNDecoder
from robustbench_seg.models.blocks.multitask import MultiTaskNet
from robustbench_seg.models.blocks.normalization import Normalization
from robustbench_seg.models.networks.base import NetworkRequest, Width
from robustbench_seg.models.registry import NETWORKS, POSE_NETWORKS
from robustbench_seg.registry import Registry, described
from robustbench_seg.strict import from_table
from robustbench_seg.tasks.semantic import Semantic

T = TypeVar("T")
_SPARE = 50_000_000
"""Parameters that a network may have while it is built: timm makes classifiers and throws them away."""


def build(name: str, parameters: Mapping[str, Any], request: NetworkRequest, where: str) -> nn.Module:
    """The network of that name with fresh weights; every fault is an InputError of one line, opened by `where`."""
    return _built(NETWORKS, name, parameters, lambda chosen: chosen.build(request), where)


def build_pose(name: str, parameters: Mapping[str, Any], normalization: Normalization, where: str) -> nn.Module:
    """The pose network of that name, in the same way."""
    return _built(POSE_NETWORKS, name, parameters, lambda chosen: chosen.build(normalization), where)


def _built(
    registry: Registry[type[T]],
    name: str,
    parameters: Mapping[str, Any],
    make: Callable[[T], nn.Module],
    where: str,
) -> nn.Module:
    try:
        return make(from_table(registry.get(name), parameters, f"[{name}]"))
    except RobustsegError as error:
        raise InputError(f"{where}: {error}") from None
    except FAULTS as error:
        raise InputError(f"{where}: {name} cannot be built from {dict(parameters)}: {described(error)}") from error


@dataclass(frozen=True)
class GuideParameters:
    """A semantic network with a feature pyramid by name, normalisation and parameters, as an architecture has them.

    Every stage of the decoder it guides gets features of `width` channels, with GroupNorm of `groups`. `gradients` says
    which way an image's gradient flows back, through the guide or through the depth network alone; outputs are the
    same.
    """

    name: str = "fpn"
    normalization: str = "imagenet"
    parameters: dict[str, Any] = field(default_factory=dict)
    width: Width = 64
    groups: Width = 16
    gradients: Gradients = "both"

    def build(self, num_classes: int) -> Guide:
        """The guide with fresh weights; InputError where the network has no pyramid.

        It is built after what it guides: networks of one seed that differ in it alone start from the same weights.
        """
        request = NetworkRequest((Semantic.name,), num_classes, Normalization.parse(self.normalization))
        network = build(self.name, self.parameters, request, "guide")
        if isinstance(network, MultiTaskNet) and isinstance(network.decoders[Semantic.name], FPNDecoder):
            return Guide(network, self.width, self.groups, self.gradients)
        raise InputError(f"guide: {self.name} has no feature pyramid; use fpn")


def check_forward(module: nn.Module, where: str) -> None:
    """Runs a small image through a network, which stays in eval mode; InputError where it cannot take one."""
    try:
        with torch.no_grad():
            module.eval()(torch.zeros(1, 3, 64, 64))
    except FAULTS as error:
        raise InputError(f"{where}: the network cannot take an image: {described(error)}") from error


@contextmanager
def parameters_within(count: int) -> Iterator[None]:
    """Within this context a network that outgrows `count` is an InputError before its memory is used.

    torch takes memory for a parameter when it is filled, which is after it is registered.
    """
    seen: dict[int, nn.Parameter] = {}
    total = 0

    def watch(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal total
        if parameter is not None and id(parameter) not in seen:
            seen[id(parameter)] = parameter
            total += parameter.numel()
        if total > count + _SPARE:
            raise InputError(f"the network has at least {total} parameters, more than its weights, which are {count}")

    hook = register_module_parameter_registration_hook(watch)
    try:
        yield
    finally:
        hook.remove()
