"""Networks that take some sizes alone: images are padded or resized for them inside the attacked graph."""

from __future__ import annotations

import contextlib
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from robustbench_seg.errors import UsageError
from robustbench_seg.models.blocks.resize import resize
from robustbench_seg.models.freezing import frozen

Size = tuple[int, int]
"""Height and width."""

_MULTIPLES = (1, 2, 4, 7, 8, 12, 14, 16, 28, 32, 56, 64, 128)
"""What sides may have to be multiples of: halvings, and the patches and windows of transformers."""
_SQUARES = (224, 256, 320, 384, 448, 512, 518, 640, 768, 896, 1024)
_FIXED: tuple[Size, ...] = (*((side, side) for side in _SQUARES), (480, 640), (512, 1024), (768, 1536), (1024, 2048))
"""Sizes that networks are commonly made for."""


class SizeRule(ABC):
    """How images (N,3,H,W) are brought to a size that a network takes, and its maps (N,K,h,w) back to theirs."""

    @property
    @abstractmethod
    def option(self) -> str:
        """The rule as it is given on the command line; empty where nothing is."""

    @abstractmethod
    def fitted(self, images: Tensor) -> Tensor:
        """The images as the network takes them."""

    @abstractmethod
    def restored(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        """Maps of any stride of the fitted images as maps of the images, which have `size` (H,W)."""


@dataclass(frozen=True)
class AnySize(SizeRule):
    """Images as they are; maps keep their stride."""

    option = ""

    def fitted(self, images: Tensor) -> Tensor:
        """The images."""
        return images

    def restored(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        """The maps."""
        return maps


@dataclass(frozen=True)
class PadTo(SizeRule):
    """Images padded below and to the right by their edge until both sides are multiples; maps are cropped."""

    multiple: int

    def __post_init__(self) -> None:
        if self.multiple < 1:
            raise UsageError(f"--pad-to {self.multiple}: give a whole number >= 1, such as 32")

    @property
    def option(self) -> str:
        """As it is given."""
        return f"--pad-to {self.multiple}"

    def fitted(self, images: Tensor) -> Tensor:
        """(N,3,H',W') with the next multiples."""
        height, width = images.shape[-2:]
        rows, columns = self._next(height), self._next(width)
        padding = (0, columns - width, 0, rows - height)
        return F.pad(images, padding, mode="replicate") if any(padding) else images

    def restored(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        """(N,K,H,W): brought to the padded size bilinearly, then cropped."""
        height, width = size
        return resize(maps, (self._next(height), self._next(width)))[..., :height, :width]

    def _next(self, length: int) -> int:
        return -(-length // self.multiple) * self.multiple


@dataclass(frozen=True)
class InputSize(SizeRule):
    """Images resized bilinearly, without aliasing as torchvision and Pillow do it; maps are resized back."""

    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1:
            raise UsageError(f"--input-size {self.height}x{self.width}: give two whole numbers >= 1, such as 512x1024")

    @classmethod
    def parse(cls, text: str) -> InputSize:
        """`HxW`, height first."""
        sides = re.fullmatch(r"(\d{1,5})[x×](\d{1,5})", text)
        if sides is None:
            raise UsageError(f"--input-size {text}: write HEIGHTxWIDTH, such as 512x1024")
        return cls(int(sides[1]), int(sides[2]))

    @property
    def option(self) -> str:
        """As it is given."""
        return f"--input-size {self.height}x{self.width}"

    def fitted(self, images: Tensor) -> Tensor:
        """(N,3,height,width)."""
        size = (self.height, self.width)
        if images.shape[-2:] == size:
            return images
        return F.interpolate(images, size, mode="bilinear", align_corners=False, antialias=True)

    def restored(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        """(N,K,H,W), in one step from their stride."""
        return resize(maps, size)


def size_rule(pad_to: int | None, input_size: str | None) -> SizeRule:
    """The rule of the two options; UsageError where both are given or one is no size."""
    if pad_to is not None and input_size is not None:
        raise UsageError(f"--pad-to {pad_to} and --input-size {input_size}: give one of them")
    if input_size is not None:
        return InputSize.parse(input_size)
    return AnySize() if pad_to is None else PadTo(pad_to)


def runs(module: nn.Module, size: Size) -> bool:
    """Whether a module runs on a grey image of a size."""
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    with frozen(module), torch.no_grad(), contextlib.suppress(Exception, SystemExit):
        module(torch.full((1, 3, *size), 0.5, device=device))
        return True
    return False


def least_multiple(module: nn.Module, size: Size) -> int | None:
    """The least number whose multiples a module takes as sides, tried at about `size`; None where there is none."""
    return next((n for n in _MULTIPLES if runs(module, (_odd_multiple(n, size[0]), _odd_multiple(n, size[1])))), None)


def rules_that_run(module: nn.Module, size: Size) -> Iterator[SizeRule]:
    """What lets a module run that fails on images of `size`; nothing where the size is not what it fails on."""
    if runs(module, size):
        return
    multiple = least_multiple(module, size)
    if multiple is not None:
        yield PadTo(multiple)
    else:
        yield from (InputSize(*fixed) for fixed in _FIXED if runs(module, fixed))


def advice(module: nn.Module, size: Size) -> str:
    """What to give a module that fails on images of `size`, to go behind the error; empty where sizes do not help."""
    rule = next(rules_that_run(module, size), None)
    return "" if rule is None else f"; it runs at other sizes: give {rule.option}"


def _odd_multiple(n: int, length: int) -> int:
    """The least odd multiple of n that is no less than a length: not by chance one of 2 n."""
    factor = -(-length // n)
    return n * (factor + 1 - factor % 2)
