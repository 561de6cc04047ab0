"""What a discriminator of domains sees of each dense task's output."""

from math import log

import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.tasks.dense import dense_tasks

SEEN = {name: task.domain_maps for name, task in dense_tasks().items()}


def test_uniform_classes_have_entropy_one_and_certain_ones_none():
    logits = torch.zeros(2, 5, 3, 4)
    maps = SEEN["semantic"](logits, logits)
    torch.testing.assert_close(maps, torch.full((2, 5, 3, 4), 1 / 5))
    torch.testing.assert_close(maps.sum(1), torch.ones(2, 3, 4))
    certain = 1e4 * F.one_hot(torch.tensor([0, 3]), 5).float().view(2, 5, 1, 1)
    assert not SEEN["semantic"](certain, logits).any()


def test_self_information_by_hand():
    chances = torch.tensor([0.7, 0.2, 0.1])
    maps = SEEN["semantic"](chances.log().view(1, 3, 1, 1) + 4, None)
    torch.testing.assert_close(maps.flatten(), -chances * chances.log() / log(3))


def test_edges_are_a_segmentation_of_two_classes():
    logits = torch.tensor([0.0, 1e4, -1e4, log(3)]).view(1, 2, 2)
    maps = SEEN["edges"](logits, logits)
    assert maps.shape == (1, 2, 2, 2)
    expected = [[0.5, 0.0, 0.0, -0.75 * log(0.75) / log(2)], [0.5, 0.0, 0.0, -0.25 * log(0.25) / log(2)]]
    torch.testing.assert_close(maps.flatten(2)[0], torch.tensor(expected))


def test_depth_is_measured_by_the_sources_range():
    source = torch.tensor([2.0, 10.0, 6.0, 4.0]).view(2, 1, 2).requires_grad_()
    torch.testing.assert_close(SEEN["depth"](source, source).flatten(), torch.tensor([0.0, 1.0, 0.5, 0.25]))
    target = torch.tensor([1.0, 18.0]).view(1, 1, 2).requires_grad_()
    maps = SEEN["depth"](target, source)
    torch.testing.assert_close(maps, torch.tensor([-0.125, 2.0]).view(1, 1, 1, 2))
    maps.sum().backward()
    assert source.grad is None
    torch.testing.assert_close(target.grad, torch.full((1, 1, 2), 1 / 8))


def test_a_flat_depth_is_finite():
    flat = torch.full((1, 2, 2), 5.0)
    assert not SEEN["depth"](flat, flat).any()


def test_normals_are_seen_as_they_are():
    normals = F.normalize(torch.randn(2, 3, 4, 5), dim=1)
    assert SEEN["normals"](normals, normals) is normals


@pytest.mark.parametrize("name", SEEN)
def test_every_dense_task_is_seen_as_finite_maps(name):
    task = dense_tasks()[name]
    output = task.activate(30 * torch.randn(2, task.channels(4), 6, 8))
    maps = SEEN[name](output, output)
    assert maps.dim() == 4
    assert maps.shape[-2:] == (6, 8)
    assert torch.isfinite(maps).all()
