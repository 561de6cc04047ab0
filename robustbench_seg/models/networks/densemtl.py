"""DenseMTL 2023: a U-decoder per task on a dilated encoder, whose maps exchange what they know on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.aspp import Dilations, aspp
from robustbench_seg.models.blocks.deephead import DEEP, chosen_tasks, coarse, finished, predictor, with_auxiliary
from robustbench_seg.models.blocks.exchange import make_exchange
from robustbench_seg.models.blocks.udecoder import UDecoder
from robustbench_seg.models.networks.base import EncoderParameters, NetworkRequest, Width
from robustbench_seg.strict import Range

TaskMaps = dict[str, Tensor]
Scale = Annotated[int, Range(1, 8)]
"""s of a map at 1/2^s of the image."""


@dataclass(frozen=True)
class DenseMTLParameters(EncoderParameters):
    """`widths` of the decoders, coarse to fine, whose first stage is an ASPP of `dilations`.

    At every one of `scales` all tasks are predicted first, then take part in one another's by `exchange` (see
    `blocks.exchange`) with `exchange_args`. The paper's own network by default; with `gated` at scale 2 it is Hoyer
    2021's.
    """

    encoder: str = "resnet101"
    encoder_args: dict[str, Any] = field(default_factory=lambda: {"output_stride": 16})
    widths: tuple[Width, ...] = (256, 256, 128, 128, 64)
    dilations: Dilations = (6, 12, 18)
    scales: tuple[Scale, ...] = (1,)
    exchange: str = "attention"
    exchange_args: dict[str, Any] = field(default_factory=dict)

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        return DenseMTL(self, request)


class DenseMTL(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size.

    While training, `deep` has per scale of exchange, coarse to fine, a dict of the first predictions of all tasks.
    """

    def __init__(self, parameters: DenseMTLParameters, request: NetworkRequest) -> None:
        super().__init__()
        self.tasks = with_auxiliary(chosen_tasks(request.tasks), ())
        self.encoder = parameters.image_encoder(request)
        channels, widths = self.encoder.channels, parameters.widths
        self.decoders = nn.ModuleDict(
            {
                task: UDecoder(channels, widths, aspp(channels[-1], widths[0], parameters.dilations))
                for task in self.tasks
            }
        )
        self.num_stages = len(widths)
        stages = [self._stage_at(scale) for scale in parameters.scales]
        self.first = nn.ModuleDict({str(i): self._predictors(widths[i], request.num_classes) for i in sorted(stages)})
        self.heads = self._predictors(widths[-1], request.num_classes)
        # Last, so that networks of one seed that differ in this alone start from the same weights.
        names = tuple(self.tasks)
        exchange = parameters.exchange, parameters.exchange_args
        self.exchanges = nn.ModuleDict({i: make_exchange(*exchange, names, names, widths[int(i)]) for i in self.first})

    def forward(self, images: Tensor) -> dict[str, Any]:
        """One output per key."""
        features = self.encoder(images)
        maps, levels = dict.fromkeys(self.tasks, features[-1]), []
        for index in range(self.num_stages):
            maps = self._stage(index, maps, features)
            if str(index) not in self.exchanges:
                continue
            if self.training:
                levels.append(_raw(self.first[str(index)], maps))
            maps = self.exchanges[str(index)](maps)
        outputs: dict[str, Any] = dict(finished(self.tasks, _raw(self.heads, maps), images))
        if self.training:
            outputs[DEEP] = tuple(coarse(self.tasks, raw, images) for raw in levels)
        return outputs

    def _stage(self, index: int, maps: TaskMaps, features: Sequence[Tensor]) -> TaskMaps:
        decoders: Mapping[str, UDecoder] = self.decoders  # type: ignore[assignment]
        return {task: decoder.stage(index, maps[task], features) for task, decoder in decoders.items()}

    def _predictors(self, width: int, num_classes: int) -> nn.ModuleDict:
        return nn.ModuleDict({name: predictor(width, task, num_classes) for name, task in self.tasks.items()})

    def _stage_at(self, scale: int) -> int:
        """The stage whose maps are at that scale and not the last ones."""
        strides: Sequence[int] = [*reversed(self.encoder.reductions[:-1])][: self.num_stages - 1]
        if 2**scale not in strides:
            there = ", ".join(str(stride.bit_length() - 1) for stride in strides)
            raise InputError(f"scales: {scale} is none of those before the decoders' last stage, which are {there}")
        return strides.index(2**scale)


def _raw(predictors: nn.Module, maps: TaskMaps) -> TaskMaps:
    named: nn.ModuleDict = predictors  # type: ignore[assignment]
    return {task: predict(maps[task]) for task, predict in named.items()}
