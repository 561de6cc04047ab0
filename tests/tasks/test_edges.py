from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchmetrics.functional.classification import binary_f1_score, binary_precision, binary_recall

from robustbench_seg.classes import CITYSCAPES19, VOID
from robustbench_seg.tasks.edges import Edges

TASK = Edges()


def scene(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    label = (torch.rand(4, 12, 13, generator=g) < 0.2).long()
    label[0, :3] = VOID
    return torch.randn(4, 12, 13, generator=g) + label.clamp(max=1), label


def overall(output: torch.Tensor, label: torch.Tensor, weights: list[float] | None = None) -> dict[str, float]:
    statistics = TASK.statistics({"edges": output}, {"edges": label}, 19)
    given = np.ones((1, len(label))) if weights is None else np.array([weights])
    values = TASK.values(statistics, given, TASK.scored(statistics))
    assert values.classes == {}
    return {name: value[0] for name, value in values.overall.items()}


def test_it_is_torchmetrics_over_all_labelled_pixels():
    output, label = scene()
    found = overall(output, label)
    for name, reference in (("f1", binary_f1_score), ("precision", binary_precision), ("recall", binary_recall)):
        assert found[name] == pytest.approx(reference(output, label, ignore_index=VOID).item(), abs=1e-6)


def test_weights_are_copies_of_images():
    output, label = scene()
    again = [0, 0, 2, 3]
    assert overall(output, label, [2, 0, 1, 1]) == overall(output[again], label[again])


@pytest.mark.parametrize(
    ("hits", "false", "missed"), [(3, 1, 2), (0, 4, 5), (6, 0, 0)], ids=["some", "none right", "all right"]
)
def test_counts(hits, false, missed):
    label = torch.tensor([[[1] * (hits + missed) + [0] * (false + 2)]])
    output = torch.tensor([[[1.0] * hits + [-1.0] * missed + [1.0] * false + [-1.0] * 2]])
    found = overall(output, label)
    assert found["f1"] == pytest.approx(2 * hits / (2 * hits + false + missed))
    assert found["precision"] == pytest.approx(hits / (hits + false))
    assert found["recall"] == pytest.approx(hits / (hits + missed))


def test_nothing_labelled_has_no_value_no_loss_and_no_gradient():
    output, label = scene()
    output.requires_grad_(True)
    nothing = torch.full_like(label, VOID)
    assert all(math.isnan(value) for value in overall(output.detach(), nothing).values())
    assert TASK.valid(nothing).tolist() == [False] * 4
    loss = TASK.loss(output, nothing)
    assert loss.tolist() == [0] * 4
    loss.sum().backward()
    assert output.grad.count_nonzero() == 0


def test_the_loss_is_the_mean_over_labelled_pixels():
    output, label = scene()
    output.requires_grad_(True)
    loss = TASK.loss(output, label)
    known = label[0] != VOID
    expected = F.binary_cross_entropy_with_logits(output[0][known], label[0][known].float())
    torch.testing.assert_close(loss[0], expected)
    loss.sum().backward()
    assert output.grad[label == VOID].count_nonzero() == 0
    assert output.grad[label != VOID].abs().min() > 0


def test_the_distance_to_an_output_is_least_at_it():
    output, _ = scene()
    target = output.clone().requires_grad_(True)
    TASK.distance(target, output).sum().backward()
    torch.testing.assert_close(target.grad, torch.zeros_like(target))
    assert (TASK.distance(output + 1, output) > TASK.distance(output, output)).all()


def test_edges_are_white():
    label = torch.tensor([[[1, 0, VOID]]])
    drawn = TASK.draw_label(label, 0, torch.zeros(3, 1, 3), CITYSCAPES19)
    assert drawn[0].tolist() == [[255] * 3, [0] * 3, [0] * 3]
    grey = TASK.draw_output(torch.tensor([[[0.0, -50.0, 50.0]]]), 0, torch.zeros(3, 1, 3), CITYSCAPES19)
    assert grey[0, :, 0].tolist() == [128, 0, 255]


def test_predictions_are_alike_on_one_side_of_a_half():
    first, second = torch.tensor([[[3.0, 0.1, -2.0, -0.1]]]), torch.tensor([[[0.2, -0.1, -5.0, 4.0]]])
    assert Edges().alike()(first, second).tolist() == [[[True, False, True, False]]]
