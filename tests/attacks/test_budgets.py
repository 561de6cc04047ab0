from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from robustbench_seg.attacks.budgets import BUDGETS, LInf, Rms, Unbounded, largest, max_normalised, rms, scale_to_rms


def rms_of(delta: Tensor) -> Tensor:
    return (delta.double() * 255).square().mean((1, 2, 3)).sqrt()


def by_bisection(image: Tensor, direction: Tensor, epsilon: float) -> Tensor:
    """The scale whose clipped RMS is epsilon, found by halving an interval: slow and plain."""
    low, high = 0.0, 1e7
    for _ in range(200):
        middle = (low + high) / 2
        moved = (image.double() + middle * direction.double()).clamp(0, 1) - image
        low, high = (middle, high) if rms_of(moved[None]) < epsilon else (low, middle)
    return (image.double() + low * direction.double()).clamp(0, 1).float()


@pytest.fixture
def images():
    return torch.rand(4, 3, 9, 11, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def direction():
    return torch.randn(4, 3, 9, 11, generator=torch.Generator().manual_seed(1))


def test_budgets_are_found_by_norm():
    assert list(BUDGETS.items()) == [("linf", LInf), ("rms", Rms), ("none", Unbounded)]


def test_rms_is_in_units_of_one_255th(direction):
    torch.testing.assert_close(rms(direction).double(), rms_of(direction), rtol=1e-6, atol=0)
    assert rms(torch.full((1, 3, 2, 2), 1 / 255)).item() == pytest.approx(1)


def test_rms_does_not_depend_on_the_batch(direction):
    assert torch.equal(rms(direction)[2:3], rms(direction[2:3]))


@pytest.mark.parametrize("epsilon", [0.25, 4.0, 40.0, 120.0])
def test_the_scale_is_solved_after_clipping(images, direction, epsilon):
    found = scale_to_rms(images, direction, epsilon)
    for i in range(len(images)):
        expected = by_bisection(images[i], direction[i], epsilon)
        torch.testing.assert_close(found[i], expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(rms_of(found - images), torch.full((4,), epsilon).double(), rtol=1e-5, atol=0)


def test_an_image_with_no_room_moves_as_far_as_it_can(images, direction):
    found = scale_to_rms(images, direction, 400.0)
    assert torch.equal(found, torch.where(direction > 0, 1.0, 0.0))


def test_values_without_a_direction_stay(images, direction):
    sparse = torch.where(torch.arange(11) % 2 == 0, direction, torch.zeros_like(direction))
    found = scale_to_rms(images, sparse, 8.0)
    assert torch.equal(found[..., 1::2], images[..., 1::2])
    torch.testing.assert_close(rms_of(found - images), torch.full((4,), 8.0).double(), rtol=1e-5, atol=0)


def test_an_image_without_a_direction_stays(images):
    assert torch.equal(scale_to_rms(images, torch.zeros_like(images), 4.0), images)


def test_a_saturated_image_moves_inwards_alone(direction):
    white = torch.ones_like(direction)
    found = scale_to_rms(white, direction, 16.0)
    assert torch.equal(found[direction >= 0], white[direction >= 0])
    torch.testing.assert_close(rms_of(found - white), torch.full((4,), 16.0).double(), rtol=1e-5, atol=0)


def test_linf_projects_onto_the_box(images, direction):
    projected = LInf(images, 3.0).project(images + direction)
    expected = torch.minimum(torch.maximum(images + direction, images - 3 / 255), images + 3 / 255).clamp(0, 1)
    torch.testing.assert_close(projected, expected, rtol=0, atol=1e-7)


def test_rms_projects_onto_the_ball(images, direction):
    budget = Rms(0.5 + 0 * images, 3.0)
    far = budget.project(budget.images + 0.02 * direction)
    torch.testing.assert_close(rms_of(far - 0.5), torch.full((4,), 3.0).double(), rtol=1e-5, atol=0)
    cosine = torch.cosine_similarity((far - 0.5).flatten(1), direction.flatten(1))
    torch.testing.assert_close(cosine, torch.ones(4), rtol=0, atol=1e-5)
    near = budget.images + 0.001 * direction
    torch.testing.assert_close(budget.project(near), near, rtol=0, atol=1e-7)


@pytest.mark.parametrize("norm", BUDGETS)
def test_projections_keep_the_range(images, direction, norm):
    projected = BUDGETS[norm](images, 100.0).project(images + direction)
    assert projected.min() == 0
    assert projected.max() == 1


def test_rms_finishes_on_the_sphere(images, direction):
    near = (images + 1e-4 * direction).clamp(0, 1)
    torch.testing.assert_close(
        rms_of(Rms(images, 4.0).finish(near) - images), torch.full((4,), 4.0).double(), rtol=1e-4, atol=0
    )


def test_unbounded_keeps_the_range_alone(images, direction):
    moved = Unbounded(images, math.inf).finish(images + direction)
    assert torch.equal(moved, (images + direction).clamp(0, 1))


def test_steps_have_the_size_asked_for(images, direction):
    linf = LInf(images, 8.0).step(direction, 2.0) * 255
    torch.testing.assert_close(linf, 2 * direction.sign())
    torch.testing.assert_close(
        rms_of(Rms(images, 8.0).step(direction, 2.0)), torch.full((4,), 2.0).double(), rtol=1e-5, atol=0
    )
    largest = (Unbounded(images, 8.0).step(direction, 2.0) * 255).abs().amax((1, 2, 3))
    torch.testing.assert_close(largest, torch.full((4,), 2.0))


@pytest.mark.parametrize("norm", BUDGETS)
def test_a_step_along_nothing_is_nothing(images, norm):
    assert BUDGETS[norm](images, 8.0).step(torch.zeros_like(images), 2.0).count_nonzero() == 0


@pytest.mark.parametrize("norm", BUDGETS)
@pytest.mark.parametrize("size", [1e-42, 1e-25, 1e25])
def test_a_step_does_not_depend_on_the_size_of_the_gradient(images, direction, norm, size):
    """Saturated nets have gradients whose square, or even whose inverse, is not a float32."""
    budget = BUDGETS[norm](images, 8.0)
    step = budget.step(direction * size, 2.0)
    assert step.isfinite().all()
    rounded = 0.01 if size < 1e-38 else 1e-5  # subnormal numbers have few digits
    changed = (step - budget.step(direction, 2.0)).abs() * 255
    assert (changed > rounded).float().mean() < (0.05 if norm == "linf" and size < 1e-38 else 1e-9)


def test_max_normalised_scales_each_image_to_one(direction):
    direction = torch.cat([direction, torch.zeros_like(direction[:1])])
    scaled = max_normalised(direction)
    torch.testing.assert_close(scaled.abs().amax((1, 2, 3)), torch.tensor([1.0, 1, 1, 1, 0]))
    torch.testing.assert_close(scaled[0] * direction[0].abs().max(), direction[0])


def test_the_largest_absolute_value_of_each_image():
    values = torch.zeros(5, 3, 4, 6)
    values[1, 2, 3, 5], values[2, 0, 0, 0], values[3, 1, 1, 1], values[4, 0, 1, 2] = 2.0, -3.0, torch.inf, torch.nan
    found = largest(values)
    assert found[:4].tolist() == [0, 2, 3, torch.inf]
    assert found[4].isnan()
    assert not largest(-torch.zeros(12, 3, 4, 6)).signbit().any()
