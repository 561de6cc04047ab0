"""The label ids of Cityscapes, which KITTI's semantic labels share, and the 19 that are evaluated.

Source: the label definitions of Cityscapes (Cordts et al., CVPR 2016, and its published scripts).
"""

from __future__ import annotations

from robustbench_seg.classes import CITYSCAPES19, VOID

LABELS = (
    "unlabeled",
    "ego vehicle",
    "rectification border",
    "out of roi",
    "static",
    "dynamic",
    "ground",
    "road",
    "sidewalk",
    "parking",
    "rail track",
    "building",
    "wall",
    "fence",
    "guard rail",
    "bridge",
    "tunnel",
    "pole",
    "polegroup",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "caravan",
    "trailer",
    "train",
    "motorcycle",
    "bicycle",
)
"""The names of the label ids 0 to 33; license plate is -1, which an 8-bit file holds as 255."""

TRAIN_IDS = {index: CITYSCAPES19.names.index(name) for index, name in enumerate(LABELS) if name in CITYSCAPES19.names}
"""The ids of `CITYSCAPES19` by label id, the 19 evaluated ones alone."""

FROM_LABEL_IDS = dict.fromkeys(range(len(LABELS)), VOID) | TRAIN_IDS | {VOID: VOID}
"""What a file of label ids is renumbered by: every label that is not evaluated is void."""

FROM_TRAIN_IDS = {index: index for index in range(len(CITYSCAPES19))} | {VOID: VOID}
"""What a file that holds train ids already is checked by."""
