"""The attacks as papers define them: steps of 1/255, as many as Kurakin's rule says, losses as they are."""

from __future__ import annotations

from typing import Any

from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.pgd import PGD, Hide

AS_PUBLISHED: dict[str, Any] = {"steps": 0, "alpha": 1.0, "scale_free": False}


def pgd(**changed: Any) -> PGD:
    return PGD(**AS_PUBLISHED | changed)


def hide(**changed: Any) -> Hide:
    return Hide(**AS_PUBLISHED | changed)


def fgsm() -> FGSM:
    return FGSM(scale_free=False)
