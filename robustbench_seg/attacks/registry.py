"""The attacks by name: those that ship, and those of plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from robustbench_seg.registry import Registry, built_in

if TYPE_CHECKING:
    from robustbench_seg.attacks.base import Perturbation

BUILT_IN = {
    "gaussian": ("attacks.noise:Gaussian", "white Gaussian noise, RMS exact after clipping"),
    "salt_and_pepper": ("attacks.noise:SaltAndPepper", "black and white pixels, RMS exact after clipping"),
    "fgsm": ("attacks.fgsm:FGSM", "one step along the sign of the gradient"),
    "pgd": ("attacks.pgd:PGD", "projected gradient steps, as many as Kurakin's rule says"),
    "dag": ("attacks.dag:DAG", "dense adversary generation, untargeted or swapping two classes"),
    "hide": ("attacks.pgd:Hide", "category hiding: fill a class in by its surroundings"),
}

ATTACKS: Registry[type[Perturbation]] = Registry("attack", "attacks", lambda: built_in(BUILT_IN))
