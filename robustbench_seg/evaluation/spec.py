"""What a run is asked to do, in plain values that travel to workers and into run.json."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import UsageError
from robustbench_seg.models.registry import MODELS, card_folders
from robustbench_seg.registry import unknown

if TYPE_CHECKING:
    from robustbench_seg.data.base import Dataset
    from robustbench_seg.models.base import LoadedModel

_FILES = (".pt", ".pth", ".ckpt", ".safetensors", ".onnx", ".bin", ".py")
"""What a file may end in that somebody gives as a model."""


@dataclass(frozen=True)
class ModelSpec:
    """A model of the catalogue or registry by name, your own code (`own` holds the adapter's options), or a `folder`.

    A folder holds a card and weights, as `robustseg train` writes them.
    """

    name: str
    own: Mapping[str, Any] | None = None
    folder: str | None = None

    @classmethod
    def parse(cls, text: str, own: Mapping[str, Any] | None = None) -> ModelSpec:
        """A name, a folder (DIR/NAME) or code (FILE.py:factory), which alone takes options (`own`)."""
        if is_own_model(text):
            return cls(text, own or {})
        if own:
            raise UsageError(f"model '{text}': {', '.join(own)} is for your own code (FILE.py:factory)")
        path = Path(text)
        if text not in MODELS and (path.is_file() or (path.suffix in _FILES and not path.is_dir())):
            from robustbench_seg.models.adapters.weights import refuse_as_model

            refuse_as_model(path)
        # A path; one of a file may have folders too, so code was looked for first.
        is_folder = "/" in text or "\\" in text
        if not is_folder and text not in MODELS and (Path(text) / "card.toml").is_file():
            raise UsageError(f"unknown model '{text}'; there is a folder of that name: write ./{text}")
        return cls(Path(text).name, folder=text) if is_folder else cls(text)

    def load(self) -> LoadedModel:
        """Load it; errors are one line."""
        if self.folder is not None:
            from robustbench_seg.models.catalogue.card import load_folder

            return load_folder(Path(self.folder))
        if self.own is None:
            return MODELS.get(self.name)()
        from robustbench_seg.models.adapters.checkpoint import open_checkpoint

        return open_checkpoint(self.name, self.own)


@dataclass(frozen=True)
class DataSpec:
    """A data set by registered name, with the folder it lives in and the split."""

    name: str
    root: str | None = None
    split: str | None = None

    def load(self, **preferred: Any) -> Dataset:
        """Open it with what its factory's signature takes; errors are one line.

        `preferred` options are passed where the factory has them and dropped where it has not.
        """
        factory = DATASETS.get(self.name)
        given = {key: value for key, value in (("root", self.root), ("split", self.split)) if value is not None}
        parameters = inspect.signature(factory).parameters
        for key, value in given.items():
            if key not in parameters:
                raise UsageError(f"data set '{self.name}' takes no {key}, not '{value}'; leave it out")
        if "root" in parameters and parameters["root"].default is inspect.Parameter.empty and "root" not in given:
            raise UsageError(f"data set '{self.name}' needs its folder; write {self.name}:FOLDER")
        return factory(**given, **{key: value for key, value in preferred.items() if key in parameters})

    @classmethod
    def parse(cls, text: str, split: str | None = None) -> DataSpec:
        """`NAME` or `NAME:ROOT`."""
        name, _, root = text.partition(":")
        if not name:
            raise UsageError(f"data set '{text}' has no name; write NAME or NAME:ROOT")
        return cls(name, root or None, split)


@dataclass(frozen=True)
class InMemory:
    """A model or data set handed over from Python; it never leaves this process."""

    name: str
    value: Any
    copied: bool = False

    def load(self) -> Any:
        """The object itself, or a copy for each worker (models: their state is changed while they run)."""
        return copy.deepcopy(self.value) if self.copied else self.value


def card_folder(text: str, kind: str) -> Path:
    """The folder with a card of a model of the catalogue, or the one given; UsageError, as of a `kind`, for another."""
    spec, known = ModelSpec.parse(text), card_folders()
    if spec.folder is None and text not in known:
        raise UsageError(f"{unknown(kind, text, known)}, or give a folder that `robustseg train` wrote")
    return Path(spec.folder) if spec.folder else known[text]


def is_own_model(name: str) -> bool:
    """Whether a `-m` names code rather than an entry of the registry: it has a colon (FILE.py:factory)."""
    return ":" in name
