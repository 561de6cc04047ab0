"""The losses of both sides, by hand."""

from math import exp, log

import pytest
import torch

from robustbench_seg.training.adaptation.losses import Verdict, adversarial_loss, discriminator_loss, domain_loss


def test_an_undecided_discriminator_costs_log_two():
    logits = torch.zeros(2, 1, 3, 4)
    assert domain_loss(logits, 1.0).item() == pytest.approx(log(2))
    assert domain_loss(logits, 0.0).item() == pytest.approx(log(2))


def test_cross_entropy_by_hand():
    logits = torch.tensor([2.0, -1.0]).view(1, 1, 1, 2)
    chances = [1 / (1 + exp(-2.0)), 1 / (1 + exp(1.0))]
    assert domain_loss(logits, 1.0).item() == pytest.approx(-sum(map(log, chances)) / 2)
    assert domain_loss(logits, 0.0).item() == pytest.approx(-sum(log(1 - p) for p in chances) / 2)


def _softplus(x):
    return log(1 + exp(x))


def _verdict(source, target, fooled):
    return Verdict(*(torch.full((1, 1, 2, 2), float(value)) for value in (source, target, fooled)))


LEVELS = (
    {"semantic": _verdict(1, 2, 0.3), "depth": _verdict(-1, 0, 0.6)},
    {"semantic": _verdict(0, 0, -0.3), "depth": _verdict(0, 0, -0.6)},
    {"semantic": _verdict(3, -3, 1.5), "depth": _verdict(0, 1, -1.5)},
)


def test_the_network_wants_its_target_taken_for_the_source():
    """Mean over the two intermediate levels of both tasks' sums, plus the last level's."""
    first, second, last = ([0.3, 0.6], [-0.3, -0.6], [1.5, -1.5])
    costs = [sum(_softplus(-logit) for logit in level) for level in (first, second, last)]
    assert adversarial_loss(LEVELS).item() == pytest.approx((costs[0] + costs[1]) / 2 + costs[2])
    assert adversarial_loss(LEVELS[-1:]).item() == pytest.approx(costs[2])


def test_discriminators_want_ones_of_the_source_and_zeros_of_the_target():
    pairs = [(1, 2), (-1, 0), (0, 0), (0, 0), (3, -3), (0, 1)]
    expected = sum((_softplus(-source) + _softplus(target)) / 2 for source, target in pairs)
    assert discriminator_loss(LEVELS).item() == pytest.approx(expected)
