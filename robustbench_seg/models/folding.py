"""BatchNorm of evaluation folded into the convolution before it: the same function with fewer passes over memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.overrides import TorchFunctionMode

_REST: dict[type[nn.Module], Callable[[Any], nn.Module]] = {
    nn.BatchNorm2d: lambda norm: nn.Identity(),
    BatchNormAct2d: lambda norm: nn.Sequential(norm.drop, norm.act),
}
"""What replaces a normalisation once it is folded, by its exact type: others may do more than normalise."""

_METADATA = (Tensor.size, Tensor.dim)
_TOLERANCE = 1e-3
"""Of the largest output: a fold rounds differently, a wrong one gives another function."""


def fold(module: nn.Module, images: Tensor) -> int:
    """Fold every BatchNorm2d that alone reads a convolution into it, in place; return how many there were.

    `module` is in evaluation mode. Which pairs there are is seen on a forward of `images` (N,3,H,W) in [0,1];
    `same_outputs` says whether that was all that there is to see.
    """
    with torch.no_grad():
        pairs = _pairs(module, images)
        for convolution, norm in pairs:
            _fold(module, convolution, norm)
    return len(pairs)


def same_outputs(first: nn.Module, second: nn.Module, images: Tensor) -> bool:
    """Whether two modules give the same on `images` and on their mirror image, up to rounding.

    All of the first module's come before the second's: what one of them keeps from call to call shows.
    """
    with torch.no_grad():
        seen = [[net(x.clone()) for x in (images, images.flip(-1))] for net in (first, second)]
    return close(*seen)


def close(first: object, second: object) -> bool:
    """Whether two outputs, however nested, are the same up to rounding: 0.1 % of each tensor's largest value."""
    a, b = list(_tensors(first)), list(_tensors(second))
    return len(a) == len(b) and all(map(_close, a, b))


def _close(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape:
        return False
    largest = a[a.isfinite()].abs().amax().item() if a.isfinite().any() else 0.0
    return torch.allclose(a, b, rtol=0, atol=_TOLERANCE * largest, equal_nan=True)


def _fold(root: nn.Module, convolution: str, norm: str) -> None:
    after: Any = root.get_submodule(norm)
    before: Any = root.get_submodule(convolution)
    root.set_submodule(convolution, fuse_conv_bn_eval(before, after))
    root.set_submodule(norm, _REST[type(after)](after))


class _Uses(TorchFunctionMode):
    """Counts how often each tensor is an argument of an operation. Keeps them alive: ids must not come again."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[int] = Counter()
        self._alive: list[Tensor] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        # Shape, device and the like are read from any tensor.
        if isinstance(result, Tensor) or (func not in _METADATA and getattr(func, "__name__", "") != "__get__"):
            given = list(_tensors([args, kwargs]))
            self._alive += given
            self.count.update(map(id, given))
        return result


def _pairs(root: nn.Module, images: Tensor) -> list[tuple[str, str]]:
    """Names of the convolutions and norms to fold."""
    calls: Counter[str] = Counter()
    made: dict[int, str] = {}
    read: dict[str, int] = {}
    kept: list[Tensor] = []

    def watch(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def seen(member: nn.Module, given: Any, output: Any) -> None:
            calls[name] += 1
            kept.extend(_tensors([given, output]))
            if type(member) is nn.Conv2d:
                made[id(output)] = name
            else:
                read[name] = id(given[0])

        return seen

    members = [(name, m) for name, m in root.named_modules(remove_duplicate=False) if _is_part(m)]
    # A module under two names is used twice, whatever was called.
    owners = Counter(id(member) for _, member in members)
    hooks = [member.register_forward_hook(watch(name)) for name, member in members if owners[id(member)] == 1]
    uses = _Uses()
    try:
        with uses:
            outputs = list(_tensors(root(images.clone())))
    finally:
        for hook in hooks:
            hook.remove()
    uses.count.update(map(id, outputs))
    return [
        (made[key], norm)
        for norm, key in read.items()
        if key in made and uses.count[key] == 1 and calls[norm] == calls[made[key]] == 1
    ]


def _is_part(member: nn.Module) -> bool:
    # What hooks read or keep would be another tensor, or never come.
    if member._forward_hooks or member._forward_pre_hooks or member._backward_hooks or member._backward_pre_hooks:
        return False
    if type(member) is nn.Conv2d:
        return True
    return isinstance(member, nn.BatchNorm2d) and type(member) in _REST and member.running_mean is not None


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in nested containers and objects with fields."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
    elif hasattr(value, "__dict__") and not isinstance(value, (nn.Module, type)):
        yield from _tensors(list(vars(value).values()))
