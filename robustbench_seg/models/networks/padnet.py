"""PAD-Net (Xu 2018): first predictions of all tasks, whose features then take part in one another's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from robustbench_seg.models.blocks.bottleneck import Bottleneck
from robustbench_seg.models.blocks.deephead import DEEP, Fuse, chosen_tasks, coarse, finished, predictor, with_auxiliary
from robustbench_seg.models.blocks.exchange import make_exchange
from robustbench_seg.models.networks.base import LightParameters, NetworkRequest


@dataclass(frozen=True)
class PadNetParameters(LightParameters):
    """`width` of every map, at the encoder's finest level but `skip_finest`.

    `auxiliary` tasks are predicted first, to help the others, and not at the end. The paper's `exchange` (see
    `blocks.exchange`) is gated.
    """

    auxiliary: tuple[str, ...] = ()
    exchange: str = "gated"
    exchange_args: dict[str, Any] = field(default_factory=dict)

    def build(self, request: NetworkRequest) -> nn.Module:
        """The network of these parameters."""
        return PadNet(self, request)


class PadNet(nn.Module):
    """Images (N,3,H,W) in [0,1] of any size to a dict of outputs at that size.

    While training, `deep` is a tuple of one dict: the first predictions of all tasks and auxiliary ones, at their
    resolution.
    """

    def __init__(self, parameters: PadNetParameters, request: NetworkRequest) -> None:
        super().__init__()
        width, num_classes = parameters.width, request.num_classes
        dense = chosen_tasks(request.tasks)
        self.tasks = sources = with_auxiliary(dense, parameters.auxiliary)
        self.encoder = parameters.image_encoder(request, parameters.skip_finest)
        self.fuse = Fuse(self.encoder.channels, width)
        self.initial = nn.ModuleDict({task: _refinement(width) for task in sources})
        self.predict = nn.ModuleDict({name: predictor(width, task, num_classes) for name, task in sources.items()})
        exchange = parameters.exchange, parameters.exchange_args
        self.distil = make_exchange(*exchange, tuple(dense), tuple(sources), width)
        self.heads = nn.ModuleDict(
            {name: nn.Sequential(_refinement(width), predictor(width, dense[name], num_classes)) for name in dense}
        )

    def forward(self, images: Tensor) -> dict[str, Any]:
        """One output per key."""
        fused = self.fuse(self.encoder(images))
        initial = {task: refine(fused) for task, refine in self.initial.items()}
        distilled = self.distil(initial)
        raw = {task: head(distilled[task]) for task, head in self.heads.items()}
        outputs: dict[str, Any] = dict(finished(self.tasks, raw, images))
        if self.training:
            first = {task: predict(initial[task]) for task, predict in self.predict.items()}
            outputs[DEEP] = (coarse(self.tasks, first, images),)
        return outputs


def _refinement(width: int) -> nn.Module:
    return nn.Sequential(*(Bottleneck(width, width, width // 4) for _ in range(2)))
