"""Where attacks are to be had that are known elsewhere."""

from __future__ import annotations

import re

from robustbench_seg.attacks.sources.base import README, Refused
from robustbench_seg.attacks.sources.registry import ATTACK_SOURCES

_BLURS = "there are defocus_blur, motion_blur, zoom_blur and glass_blur"
_EXTRA = "it is one of ImageNet-C's four extra kinds, which its benchmark leaves out, as this does"
_DECIDES = "it decides by one label per image; `square` needs no gradient either"

OTHER_NAMES = {
    "adversarialpatch": "it sticks a patch onto the image, which no norm bounds",
    "autoprojectedgradientdescent": "it is apgd",
    "autopgd": "it is apgd",
    "blur": _BLURS,
    "boundary": _DECIDES,
    "fastgradientmethod": "it is fgsm",
    "fgm": "it is fgsm in norm rms",
    "frost": "it is left out, as it blends in photographs that do not ship",
    "gaussianblur": _BLURS,
    "hopskipjump": _DECIDES,
    "jpeg": "it is jpeg_compression",
    "linfpgd": "it is pgd",
    "momentumiterativemethod": "it is mi_fgsm",
    "projectedgradientdescent": "it is pgd",
    "saturate": _EXTRA,
    "sea": "it is apgd in -p strong",
    "simba": _DECIDES,
    "spatter": _EXTRA,
    "specklenoise": _EXTRA,
    "uap": "it is universal",
    "universalperturbation": "it is universal",
    "zoo": _DECIDES,
}
"""What is to be said of attacks by names that they have in papers, foolbox, ART and ImageNet-C, spelt plainly."""

IN_LIBRARIES = {
    "adaptivedeepfool": "torchattacks:DeepFool",
    "basiciterative": "torchattacks:BIM",
    "basiciterativemethod": "torchattacks:BIM",
    "carliniwagner": "torchattacks:CW",
    "di2fgsm": "torchattacks:DIFGSM",
    "ead": "torchattacks:EADEN",
    "elasticnet": "torchattacks:EADEN",
    "ifgsm": "torchattacks:BIM",
    "l2pgd": "torchattacks:PGDL2",
    "saliencymap": "torchattacks:JSMA",
    "saliencymapmethod": "torchattacks:JSMA",
    "trades": "torchattacks:TPGD",
}
"""The same of attacks that a library has by another name."""

_AFFIXES = re.compile("^(l0|l1|l2|linf)|attack$")
"""What foolbox puts before and behind a name, as in `L2DeepFoolAttack`."""


def plain(name: str) -> str:
    """A name without what spellings differ in: `mifgsm` of `MI-FGSM` and of `mi_fgsm`."""
    return re.sub("[^a-z0-9]", "", name.casefold())


def elsewhere(name: str) -> str:
    """What an attack of that name, however it is spelt, is called here or why it is refused; empty if unknown."""
    wanted = plain(name)
    # The longest spelling first: L2PGD and AutoAttack have entries of their own.
    spellings = (wanted, wanted.removesuffix("attack"), _AFFIXES.sub("", wanted))
    return next(filter(None, map(_known_as, spellings)), "")


def _known_as(wanted: str) -> str:
    if wanted in OTHER_NAMES:
        return f"{OTHER_NAMES[wanted]}; {README}"
    if wanted in IN_LIBRARIES:
        source, _, known = IN_LIBRARIES[wanted].partition(":")
        return ATTACK_SOURCES.get(source)().said(known)
    sources = [ATTACK_SOURCES.get(source)() for source in ATTACK_SOURCES]
    found = [
        (how, source.said(known))
        for source in sources
        for known, how in source.attacks.items()
        if plain(known) == wanted
    ]
    return min(found, key=lambda each: isinstance(each[0], Refused))[1] if found else ""
