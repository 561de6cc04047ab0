from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.tasks.normals import Normals

TASK = Normals()


def directions(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=1)


def turned(normals: torch.Tensor, degrees: float) -> torch.Tensor:
    """Each vector turned by so much about an axis at right angles to it (Rodrigues)."""
    axis = F.normalize(torch.linalg.cross(normals, directions(*normals.shape, seed=9).to(normals), dim=1), dim=1)
    angle = math.radians(degrees)
    return math.cos(angle) * normals + math.sin(angle) * torch.linalg.cross(axis, normals, dim=1)


def overall(output: torch.Tensor, label: torch.Tensor, weights: list[float] | None = None) -> dict[str, float]:
    statistics = TASK.statistics({"normals": output}, {"normals": label}, 3)
    given = np.ones((1, len(label))) if weights is None else np.array([weights])
    return {name: value[0] for name, value in TASK.values(statistics, given, np.ones(3, bool)).overall.items()}


@pytest.mark.parametrize(("degrees", "shares"), [(5, (1, 1, 1)), (20, (0, 1, 1)), (25, (0, 0, 1)), (100, (0, 0, 0))])
def test_a_constant_turn(degrees, shares):
    label = directions(2, 3, 8, 9).double()
    found = overall(turned(label, degrees), label)
    assert found["angular_error"] == pytest.approx(degrees, abs=1e-9)
    assert (found["within_11"], found["within_22"], found["within_30"]) == shares


def test_it_is_the_mean_of_arc_cosines_whatever_the_length():
    output, label = 7 * directions(3, 3, 8, 9, seed=1), directions(3, 3, 8, 9)
    label[:, :, 0] = 0
    angles = torch.rad2deg(torch.acos(F.cosine_similarity(output, label)[:, 1:].double()))
    found = overall(output, label)
    assert found["angular_error"] == pytest.approx(angles.mean().item(), abs=1e-4)
    assert found["within_30"] == pytest.approx((angles < 30).double().mean().item())


def test_images_count_the_same_whatever_is_valid_in_them():
    label = directions(2, 3, 8, 9).double()
    output = torch.cat([turned(label[:1], 10), turned(label[1:], 40)])
    label[1, :, 1:] = 0
    assert overall(output, label)["angular_error"] == pytest.approx(25)
    assert overall(output, label, [3.0, 1.0])["angular_error"] == pytest.approx((3 * 10 + 40) / 4)


def test_nothing_valid_has_no_value_no_loss_and_no_gradient():
    output = directions(2, 3, 4, 5).requires_grad_(True)
    label = torch.zeros(2, 3, 4, 5)
    assert all(math.isnan(value) for value in overall(output.detach(), label).values())
    assert TASK.valid(label).tolist() == [False, False]
    loss = TASK.loss(output, label)
    assert loss.tolist() == [0, 0]
    loss.sum().backward()
    assert output.grad.count_nonzero() == 0


def test_invalid_pixels_have_no_gradient():
    output, label = directions(1, 3, 4, 5).requires_grad_(True), directions(1, 3, 4, 5, seed=1)
    label[:, :, 0] = 0
    TASK.loss(output, label).sum().backward()
    assert output.grad[:, :, 0].count_nonzero() == 0
    assert output.grad[:, :, 1:].abs().sum(1).min() > 0


def test_the_loss_of_a_turn():
    label = directions(1, 3, 8, 9)
    expected = torch.tensor([1 - math.cos(math.radians(20))])
    torch.testing.assert_close(TASK.loss(turned(label, 20), label), expected)
    torch.testing.assert_close(TASK.distance(turned(label, 20), label), expected)


def test_classes_are_the_regions_of_the_segmentation():
    label = directions(1, 3, 4, 6).double()
    regions = (torch.arange(6) >= 3).long().expand(1, 4, 6)
    output = torch.where(regions[:, None] == 1, turned(label, 40), turned(label, 10))
    statistics = TASK.statistics({"normals": output}, {"normals": label, "semantic": regions}, 3)
    assert TASK.scored(statistics).tolist() == [True, True, False]
    classes = TASK.values(statistics, np.ones((1, 1)), TASK.scored(statistics)).classes["angular_error"]
    np.testing.assert_allclose(classes, [[10, 40, np.nan]])


def test_networks_predict_unit_vectors():
    raw = torch.randn(2, TASK.channels(19), 4, 5)
    torch.testing.assert_close(TASK.activate(raw), F.normalize(raw, dim=1))


def test_directions_are_colours_and_what_is_invalid_is_black():
    label = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, 0]]).T.view(1, 3, 1, 3)
    drawn = TASK.draw_label(label, 0, torch.zeros(3, 1, 3), CITYSCAPES19)
    assert drawn[0].tolist() == [[255, 128, 128], [128, 0, 128], [0, 0, 0]]
    assert drawn.dtype == np.uint8


def test_what_random_directions_reach_is_implausible():
    assert TASK.implausible("angular_error", 90.5, 19)
    assert not TASK.implausible("angular_error", 45.0, 19)
    assert not TASK.implausible("within_30", 91.0, 19)


DEFINITIONS = {
    "l1": lambda u, v: (u - v).abs().sum(),
    "cosine": lambda u, v: max(u @ v, 0) * (1 - u @ v),
}


@pytest.mark.parametrize("name", TASK.attack_losses)
def test_losses_for_attacks_are_their_definitions(name):
    output, label = 3 * directions(2, 3, 4, 5), directions(2, 3, 4, 5, seed=1)
    label[0, :, 0] = 0
    expected = []
    for i, rows in enumerate((slice(1, None), slice(None))):
        pairs = zip(F.normalize(output[i], dim=0)[:, rows].flatten(1).T, label[i][:, rows].flatten(1).T, strict=True)
        expected.append(torch.stack([DEFINITIONS[name](u, v) for u, v in pairs]).mean())
    torch.testing.assert_close(TASK.ascended(name, 0.0)(output, label), torch.stack(expected))


@pytest.mark.parametrize("name", TASK.attack_losses)
def test_invalid_pixels_are_inert_in_losses_for_attacks(name):
    output, label = directions(1, 3, 4, 5).requires_grad_(True), directions(1, 3, 4, 5, seed=1)
    label[:, :, 0] = 0
    loss = TASK.ascended(name, 0.0)(output, label)
    (gradient,) = torch.autograd.grad(loss.sum(), output)
    assert gradient.isfinite().all()
    assert gradient[:, :, 0].count_nonzero() == 0
    assert gradient[:, :, 1:].count_nonzero() > 0
    changed = output.detach().clone()
    changed[:, :, 0] = 0
    assert torch.equal(TASK.ascended(name, 0.0)(changed, label), loss.detach())


def test_directions_are_alike_within_the_first_threshold():
    angles = torch.deg2rad(torch.tensor([0.0, 11.0, 11.5, 90.0]))
    turned = torch.stack([angles.sin(), torch.zeros(4), angles.cos()]).view(1, 3, 1, 4)
    straight = torch.tensor([0.0, 0.0, 3.0]).view(1, 3, 1, 1).expand_as(turned)
    assert Normals().alike()(turned, straight).tolist() == [[[True, True, False, False]]]
