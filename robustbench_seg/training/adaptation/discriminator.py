"""The patch discriminator: whether what a network predicts is of the source or of the target."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils.parametrizations import spectral_norm

from robustbench_seg.errors import InputError

KERNEL, STRIDE, SLOPE = 4, 2, 0.2


class PatchDiscriminator(nn.Module):
    """4x4 convolutions of stride 2 to `widths` channels and then to one, spectrally normalised (DenseMTL 2023).

    LeakyReLU is between them, as in AdvEnt (Vu 2019).
    """

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for into, out in zip((channels, *widths), (*widths, 1), strict=True):
            convolution = nn.Conv2d(into, out, KERNEL, STRIDE, padding=1)
            layers += [spectral_norm(convolution), nn.LeakyReLU(SLOPE)]
        self.layers = nn.Sequential(*layers[:-1])
        self.smallest = STRIDE ** (len(widths) + 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Logits (N,1,h,w), one per patch, of maps (N,K,H,W); above 0 is the source. InputError for too small a map."""
        height, width = maps.shape[-2:]
        if min(height, width) < self.smallest:
            raise InputError(
                f"a prediction of {width}x{height} (WxH) is too small for a discriminator, which needs {self.smallest} "
                "on each side: give adaptation.discriminator.widths fewer entries, or adapt larger images"
            )
        logits: Tensor = self.layers(maps)
        return logits

    def unmoved(self, maps: Tensor) -> Tensor:
        """The same, whose gradient reaches the maps and no weight of this discriminator."""
        constants = {name: parameter.detach() for name, parameter in self.named_parameters()}
        logits: Tensor = functional_call(self, constants, (maps,))
        return logits
