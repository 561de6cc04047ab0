"""The five registries and what ships in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from robustbench_seg._shipped import shipped
from robustbench_seg.registry import Entry, Registry, built_in
from robustbench_seg.tasks.registry import TASKS

if TYPE_CHECKING:
    from robustbench_seg.attacks.base import Perturbation
    from robustbench_seg.data.base import Dataset
    from robustbench_seg.models.base import LoadedModel
    from robustbench_seg.protocol import Protocol

_ATTACKS = {
    "gaussian": ("attacks.noise:Gaussian", "white Gaussian noise, RMS exact after clipping"),
    "salt_and_pepper": ("attacks.noise:SaltAndPepper", "black and white pixels, RMS exact after clipping"),
    "fgsm": ("attacks.fgsm:FGSM", "one step along the sign of the gradient"),
    "pgd": ("attacks.pgd:PGD", "projected gradient steps, as many as Kurakin's rule says"),
    "dag": ("attacks.dag:DAG", "dense adversary generation, untargeted or swapping two classes"),
    "hide": ("attacks.pgd:Hide", "category hiding: fill a class in by its surroundings"),
}
_DATASETS = {
    "street": ("street.dataset:open_street", "procedural driving world, every label, nothing to download"),
    "street-b": ("street.dataset:open_street_b", "the same world with another look, camera and layout"),
    "camvid": ("data.camvid:CamVid", "CamVid, 11 classes; camvid:ROOT"),
    "cityscapes": ("data.cityscapes:Cityscapes", "Cityscapes, 19 classes, depth and video; cityscapes:ROOT"),
    "kitti": ("data.kitti.semantics:KITTI", "KITTI 2015, 19 classes and depth; kitti:ROOT"),
    "kitti-raw": ("data.kitti.raw:KITTIRaw", "KITTI's recordings, video and depth of a listed split; kitti-raw:ROOT"),
    "folder": ("data.folder:Folder", "your own images and labels; folder:ROOT with a dataset.toml"),
}


def _cards() -> Iterator[Entry]:
    for card in sorted(shipped("models").glob("*/card.toml")):
        yield Entry(card.parent.name, "catalogue", _first_value(card, "summary"), _model_loader(card.parent.name))


def _model_loader(name: str) -> Callable[[], object]:
    def opener() -> object:
        from robustbench_seg.models.catalogue.index import load

        return partial(load, name)

    return opener


def _protocols() -> Iterator[Entry]:
    for file in sorted(shipped("attacks").glob("*.toml")):
        yield Entry(file.stem, "shipped", _first_value(file, "summary"), _protocol_loader(file))


def _protocol_loader(file: Path) -> Callable[[], object]:
    def load() -> object:
        from robustbench_seg.protocol import read_protocol

        return read_protocol(file)

    return load


def _first_value(file: Path, key: str) -> str:
    """A string value of a TOML file, without reading the rest strictly: a listing survives a bad file."""
    import tomllib

    try:
        return str(tomllib.loads(file.read_text(encoding="utf-8")).get(key, ""))
    except (OSError, ValueError):
        return "(unreadable)"


ATTACKS: Registry[type[Perturbation]] = Registry("attack", "attacks", lambda: built_in(_ATTACKS))
DATASETS: Registry[Callable[..., Dataset]] = Registry("data set", "datasets", lambda: built_in(_DATASETS))
MODELS: Registry[Callable[[], LoadedModel]] = Registry("model", "models", _cards)
PROTOCOLS: Registry[Protocol] = Registry("protocol", "protocols", _protocols)

REGISTRIES: dict[str, Registry] = {  # type: ignore[type-arg]
    registry.plural: registry for registry in (MODELS, ATTACKS, DATASETS, PROTOCOLS, TASKS)
}
