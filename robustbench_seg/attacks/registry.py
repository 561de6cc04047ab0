"""The attacks by name: those that ship, and those of plugins."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from robustbench_seg.attacks.sources.entries import of_library
from robustbench_seg.errors import UsageError
from robustbench_seg.parameters import made
from robustbench_seg.registry import Entry, Registry, built_in, lacking

if TYPE_CHECKING:
    from robustbench_seg.attacks.base import Perturbation

BUILT_IN = {
    "gaussian": ("attacks.noise:Gaussian", "white Gaussian noise, RMS exact after clipping"),
    "salt_and_pepper": ("attacks.noise:SaltAndPepper", "black and white pixels, RMS exact after clipping"),
    "fgsm": ("attacks.fgsm:FGSM", "one step along the sign of the gradient"),
    "mi_fgsm": ("attacks.momentum:MIFGSM", "steps along an accumulated gradient"),
    "pgd": ("attacks.pgd:PGD", "projected gradient steps"),
    "segpgd": ("attacks.pgd:SegPGD", "PGD on pixels still right at first, on all alike at the end"),
    "cospgd": ("attacks.pgd:CosPGD", "PGD on pixels as much as they agree with the label"),
    "apgd": ("attacks.apgd:APGD", "steps with momentum, halved where they no longer pay"),
    "worst": ("attacks.worst:Worst", "of every image the most harmful of the other attacks' results; costs nothing"),
    "square": ("attacks.square:Square", "random squares, kept where they raise the loss; no gradient"),
    "universal": ("attacks.universal:Universal", "one perturbation for all images, fitted on the train split"),
    "dag": ("attacks.dag:DAG", "dense adversary generation, untargeted or swapping two classes"),
    "alma": ("attacks.alma:ALMA", "the smallest perturbation that changes nearly every pixel (needs adv-lib)"),
    "hide": ("attacks.pgd:Hide", "category hiding: fill a class in by its surroundings"),
    "gaussian_noise": ("attacks.corruptions.noise:GaussianNoise", "ImageNet-C: Gaussian noise, clipped"),
    "shot_noise": ("attacks.corruptions.noise:ShotNoise", "ImageNet-C: Poisson noise of few photons"),
    "impulse_noise": ("attacks.corruptions.noise:ImpulseNoise", "ImageNet-C: single values set to 0 or 1"),
    "defocus_blur": ("attacks.corruptions.blur:DefocusBlur", "ImageNet-C: out of focus"),
    "glass_blur": ("attacks.corruptions.blur:GlassBlur", "ImageNet-C: through frosted glass"),
    "motion_blur": ("attacks.corruptions.blur:MotionBlur", "ImageNet-C: streaks in one direction"),
    "zoom_blur": ("attacks.corruptions.blur:ZoomBlur", "ImageNet-C: the mean of enlarged middles"),
    "snow": ("attacks.corruptions.weather:Snow", "ImageNet-C: falling snow"),
    "fog": ("attacks.corruptions.weather:Fog", "ImageNet-C: banks of fog"),
    "brightness": ("attacks.corruptions.digital:Brightness", "ImageNet-C: brighter"),
    "contrast": ("attacks.corruptions.digital:Contrast", "ImageNet-C: less contrast"),
    "elastic_transform": ("attacks.corruptions.digital:ElasticTransform", "ImageNet-C: distorted; labels stay"),
    "pixelate": ("attacks.corruptions.digital:Pixelate", "ImageNet-C: fewer pixels"),
    "jpeg_compression": ("attacks.corruptions.digital:JPEGCompression", "ImageNet-C: JPEG of low quality"),
}


def _fault(attack: object) -> str:
    """What keeps the class from being run as an attack."""
    from robustbench_seg.attacks.base import Perturbation

    if not (isinstance(attack, type) and issubclass(attack, Perturbation)):
        return "it must be a class derived from robustbench_seg.Perturbation"
    own = [kind for kind in inspect.get_annotations(attack).values() if "ClassVar" not in str(kind)]
    if own and "__dataclass_fields__" not in vars(attack):
        return f"put @dataclass(frozen=True) above {attack.__name__}"
    for field in dataclasses.fields(attack):
        if field.default is dataclasses.MISSING:
            return f"parameter '{field.name}' has no default; write {field.name}: float = 1.0"
    missing = lacking(attack)
    return f"{attack.__name__} lacks {missing}" if missing else ""


def _further(name: str) -> Entry | None:
    """The attack of a library that is named; UsageError for one that is refused or has another name."""
    # What is known of libraries is read where it is asked for.
    from robustbench_seg.attacks.sources.elsewhere import elsewhere, plain

    found = of_library(name)
    if found is None and plain(name) not in map(plain, BUILT_IN) and (hint := elsewhere(name)):
        raise UsageError(f"unknown attack '{name}'; {hint}")
    return found


ATTACKS: Registry[type[Perturbation]] = Registry(
    "attack", "attacks", lambda: built_in("attack", BUILT_IN, "attacks/registry.py"), _fault, _further
)


def make_attack(name: str, params: Mapping[str, Any]) -> Perturbation:
    """The attack with its parameters set; UsageError where a parameter is unknown or of the wrong type."""
    attack = ATTACKS.get(name)
    for key in params:
        if key in attack.not_set:
            raise UsageError(f"{attack.__name__}.{key} cannot be set: {attack.not_set[key]}")
    return made(attack, params)


def attack_title(name: str) -> str:
    """What pages call the attack of that name; the name itself where it has no title or its plugin is missing."""
    return (name in ATTACKS and ATTACKS.get(name).title) or name


def title_with_epsilon(name: str) -> str:
    """What pages add to the title where the attack is run with an epsilon; empty for most."""
    return ATTACKS.get(name).title_with_epsilon if name in ATTACKS else ""


def attack_strength(name: str) -> int | None:
    """Where an attack stands in the order of harm at equal epsilon; None where it declares nothing."""
    return ATTACKS.get(name).strength if name in ATTACKS else None
