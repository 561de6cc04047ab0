from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.errors import InputError
from robustbench_seg.training.batches import Source
from robustbench_seg.training.losses import class_weights, log_depth_l1, weighted_cross_entropy


def test_weighted_cross_entropy_is_torchs():
    logits, label = torch.randn(2, 4, 5, 5), torch.randint(0, 4, (2, 5, 5))
    label[0, 0] = 255
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0])
    expected = F.cross_entropy(logits, label, weights, ignore_index=255)
    torch.testing.assert_close(weighted_cross_entropy(logits, label, weights), expected)
    torch.testing.assert_close(
        weighted_cross_entropy(logits, label, None), F.cross_entropy(logits, label, ignore_index=255)
    )


def test_nothing_labelled_gives_zero_and_no_gradient():
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    depth = torch.rand(1, 4, 4, requires_grad=True)
    loss = weighted_cross_entropy(logits, torch.full((1, 4, 4), 255), torch.ones(3))
    (loss + log_depth_l1(depth, torch.zeros(1, 4, 4))).backward()
    assert logits.grad.abs().max() == 0
    assert depth.grad.abs().max() == 0


def test_log_depth():
    label = torch.tensor([[[0.0, 2.0], [8.0, 100.0]]])
    depth = torch.tensor([[[5.0, 4.0], [4.0, 1.0]]])
    torch.testing.assert_close(log_depth_l1(depth, label), torch.tensor(math.log(2)))


def test_class_weights(toy):
    weights = class_weights(Source(toy, ("semantic",)), 3)
    labels = torch.stack([Source(toy, ("semantic",)).read(i)[1]["semantic"] for i in range(len(toy))])
    share = (labels == 1).sum() / (labels != 255).sum()
    torch.testing.assert_close(weights[1], 1 / torch.log(1.02 + share))
    assert float(weights[2]) == pytest.approx(1 / math.log(1.02))


def test_task_without_labels(toy):
    with pytest.raises(InputError, match="no trainable labels for task 'normals'"):
        Source(toy, ("normals",))
