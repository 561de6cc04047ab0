"""Where attacks are to be had that are known elsewhere."""

from __future__ import annotations

import re

from robustbench_seg.attacks.sources.base import README, Refused
from robustbench_seg.attacks.sources.registry import ATTACK_SOURCES

OTHER_NAMES = {
    "autopgd": "it is apgd",
    "blur": "there are defocus_blur, motion_blur, zoom_blur and glass_blur",
    "carliniwagner": "it is torchattacks:CW",
    "ead": "it is torchattacks:EADEN",
    "fgm": "it is fgsm in norm rms",
    "frost": "it is left out, as it blends in photographs that do not ship",
    "gaussianblur": "there are defocus_blur, motion_blur, zoom_blur and glass_blur",
    "ifgsm": "it is torchattacks:BIM",
    "jpeg": "it is jpeg_compression",
    "sea": "it is apgd in -p strong",
    "trades": "it is torchattacks:TPGD",
}
"""What is to be said of attacks by other names of theirs, spelt plainly."""


def plain(name: str) -> str:
    """A name without what spellings differ in: `mifgsm` of `MI-FGSM` and of `mi_fgsm`."""
    return re.sub("[^a-z0-9]", "", name.casefold())


def elsewhere(name: str) -> str:
    """What an attack of that name, however it is spelt, is called here or why it is refused; empty if unknown."""
    wanted = plain(name)
    if wanted in OTHER_NAMES:
        return f"{OTHER_NAMES[wanted]}; {README}"
    sources = [ATTACK_SOURCES.get(source)() for source in ATTACK_SOURCES]
    found = [
        (how, source.said(known))
        for source in sources
        for known, how in source.attacks.items()
        if plain(known) == wanted
    ]
    return min(found, key=lambda each: isinstance(each[0], Refused))[1] if found else ""
