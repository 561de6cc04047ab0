"""The cheapest attacks near a strong ensemble, on made confusion matrices."""

import numpy as np
import pytest

from robustbench_seg.results.records import ImageResult
from robustbench_seg.results.store import StoredCell
from robustbench_seg.studies.selection import Attacked, choose
from robustbench_seg.tasks.semantic import Semantic


def cell(*shares):
    """Two classes of 100 pixels an image, of both of which that share is right: IoU is s / (2 - s)."""
    matrices = [100 * np.array([[s, 1 - s], [1 - s, s]]) for s in shares]
    statistics = {image: {"confusion": matrix} for image, matrix in enumerate(matrices)}
    return StoredCell([ImageResult(image) for image in statistics], {"semantic": statistics})


def iou(share):
    return share / (2 - share)


WEAK, STRONGER, OTHER = "pgd[10 steps]", "apgd[20 steps]", "apgd[40 steps]"
SHARES = {WEAK: (0.8, 0.8, 0.8, 0.8), STRONGER: (0.4, 0.6, 0.5, 0.5), OTHER: (0.6, 0.4, 0.6, 0.6)}
COSTS = {OTHER: 40.0, STRONGER: 20.0, WEAK: 10.0}


@pytest.fixture
def attacked():
    return Attacked(Semantic(), {(label, 1.0): cell(*shares) for label, shares in SHARES.items()})


def test_the_worst_case_is_over_the_images_and_attacks_asked_for(attacked):
    assert attacked.worst([WEAK], 1.0, [0, 1]) == pytest.approx(iou(0.8))
    assert attacked.worst([STRONGER, OTHER], 1.0, [0, 1]) == pytest.approx(iou(0.4))
    assert attacked.worst([STRONGER], 2.0, [2, 3]) == pytest.approx(iou(0.5)), "smaller epsilons count too"


@pytest.mark.parametrize(
    ("reached", "most", "labels", "gradients"),
    [
        (0.79, 100, (WEAK,), 10),
        (0.5, 100, (STRONGER,), 20),
        (0.4, 100, (OTHER, STRONGER), 60),
        (0.4, 59, None, None),
    ],
)
def test_the_cheapest_set_within_the_margin_is_chosen_on_the_first_half(attacked, reached, most, labels, gradients):
    strong = {("net", 1.0): (iou(reached), iou(0.5))}
    chosen = choose({"net": attacked}, COSTS, strong, ([0, 1], [2, 3]), most, margin=0.02)
    if labels is None:
        assert chosen is None
        return
    assert (chosen.labels, chosen.gradients) == (labels, gradients)
    assert chosen.above["net", 1.0] <= 0.02
    on_the_others = min(SHARES[label][2] for label in labels)
    assert chosen.judged["net", 1.0] == pytest.approx(iou(on_the_others) - iou(0.5))
