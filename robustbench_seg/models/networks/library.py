"""Networks of libraries in a card: what `robustseg card` writes of hf:FOLDER, smp:ARCH/ENCODER and torchvision:NAME."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import nn

from robustbench_seg.classes import ClassSet, default_palette
from robustbench_seg.errors import InputError
from robustbench_seg.models.adapters.adapter import Adapter, InputSpec
from robustbench_seg.models.adapters.outputs import OutputSpec
from robustbench_seg.models.adapters.sizes import size_rule
from robustbench_seg.models.base import DEFAULT_TASK
from robustbench_seg.models.networks.base import NetworkParameters, NetworkRequest
from robustbench_seg.models.registry import SOURCES
from robustbench_seg.tasks.depth_align import NONE, DepthAlign, alignment_of


@dataclass(frozen=True)
class LibraryParameters(NetworkParameters):
    """A network of a `source` by what it keeps of it, and how it is called: `outputs`, channel order and size.

    The normalisation is the card's; `depth_align` is that of its depth (`tasks.depth_align`).
    """

    source: str = "torchvision"
    network: str = "lraspp_mobilenet_v3_large"
    outputs: tuple[str, ...] = (DEFAULT_TASK,)
    channel_order: Literal["rgb", "bgr"] = "rgb"
    pad_to: int | None = None
    input_size: str | None = None
    depth_align: DepthAlign = NONE

    def build(self, request: NetworkRequest) -> nn.Module:
        """The wrapped network; InputError where its outputs are not the tasks asked for."""
        outputs = [OutputSpec.parse(text) for text in self.outputs]
        if [output.task for output in outputs] != list(request.tasks):
            raise InputError(f"outputs {', '.join(self.outputs)} are not the tasks {', '.join(request.tasks)}")
        names = tuple(f"class {i}" for i in range(request.num_classes))
        classes = ClassSet("classes", names, default_palette(len(names)))
        mean, std = (",".join(map(repr, values)) for values in (request.normalization.mean, request.normalization.std))
        spec = InputSpec(f"mean={mean};std={std}", 1, self.channel_order, size_rule(self.pad_to, self.input_size))
        net = SOURCES.get(self.source)().rebuilt(self.network, request.num_classes)
        return Adapter(net, spec, outputs, [classes] * len(outputs), alignment_of(self.depth_align))
