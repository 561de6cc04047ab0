"""How the labels of NYU Depth V2 become the 40 classes of Gupta et al. (CVPR 2013).

Source: `mapClass` of the `classMapping40.mat` that they publish, as passed on with SceneNet
(https://github.com/ankurhanda/SceneNetv1.0).
"""

from __future__ import annotations

import numpy as np

from robustbench_seg.classes import NYU40, VOID

COUNT = 894
"""Labels are 1 to 894; 0 is unlabelled."""
_OF_A_CLASS = (
    21, 11, 3, 157, 5, 83, 19, 28, 59, 88, 64, 7, 80, 36, 42, 89, 169, 119, 122, 143, 141, 4, 85, 17, 172, 15, 135, 123,
    26, 45, 331, 158, 124, 24, 144, 136, 55,
)  # fmt: skip
"""The label that is a class, for each but the last three, from wall to bag."""
_OTHER_STRUCTURE = (
    8, 25, 33, 38, 51, 53, 57, 58, 62, 65, 79, 94, 104, 112, 134, 153, 215, 216, 223, 225, 238, 241, 242, 256, 295, 301,
    339, 342, 354, 363, 372, 380, 392, 408, 412, 453, 456, 463, 477, 497, 541, 550, 553, 567, 573, 582, 591, 609, 612,
    615, 642, 645, 657, 658, 659, 663, 667, 668, 686, 700, 702, 777, 778, 782, 850, 861, 868, 874,
)  # fmt: skip
_OTHER_FURNITURE = (
    12, 43, 48, 50, 87, 106, 111, 161, 163, 174, 183, 204, 214, 219, 221, 224, 236, 262, 278, 291, 298, 313, 343, 344,
    356, 359, 373, 393, 401, 414, 418, 419, 430, 443, 444, 447, 448, 457, 458, 460, 462, 475, 479, 485, 486, 493, 494,
    498, 499, 509, 510, 515, 521, 524, 540, 549, 551, 554, 556, 558, 576, 580, 608, 625, 703, 734, 770, 772, 797, 800,
    803, 804, 813, 814, 815, 820, 829, 835, 858, 863, 882, 892,
)  # fmt: skip

FROM_LABELS = np.full(COUNT + 1, NYU40.names.index("other prop"), np.uint8)
"""The id of each label; all that are named nowhere are other props."""
FROM_LABELS[0] = VOID
FROM_LABELS[list(_OF_A_CLASS)] = range(len(_OF_A_CLASS))
FROM_LABELS[list(_OTHER_STRUCTURE)] = NYU40.names.index("other structure")
FROM_LABELS[list(_OTHER_FURNITURE)] = NYU40.names.index("other furniture")
