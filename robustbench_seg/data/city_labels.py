"""The label ids of Cityscapes, which KITTI's semantic labels share, renumbered to the classes that are evaluated.

Source: the label definitions of Cityscapes (Cordts et al., CVPR 2016, and its published scripts).
"""

from __future__ import annotations

from collections.abc import Sequence

from robustbench_seg.classes import CITYSCAPES19, VOID
from robustbench_seg.data.images import same_ids

_COUNT = 34
"""Label ids are 0 to 33; license plate is -1, which an 8-bit file holds as 255."""
_EVALUATED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""The label id of each class of `CITYSCAPES19`, from road to bicycle."""

COUNTABLE = frozenset(range(24, 34))
"""The label ids with instances: person, rider, car, truck, bus, caravan, trailer, train, motorcycle, bicycle."""

FROM_TRAIN_IDS = same_ids(CITYSCAPES19)
"""What a file that holds train ids already is checked by."""

FROM_LABEL_IDS = dict.fromkeys([*range(_COUNT), VOID], VOID) | {label: index for index, label in enumerate(_EVALUATED)}
"""What a file of label ids is renumbered by: every label that is not evaluated is void."""


def are_label_ids(unknown: Sequence[int]) -> bool:
    """Whether a file in which these ids are no train ids holds label ids, as far as ids can tell.

    Of the label ids some, such as sky (23) and car (26), are no train ids; 19 alone is often void.
    """
    return all(len(CITYSCAPES19) <= label < _COUNT for label in unknown) and max(unknown) > len(CITYSCAPES19)
