from __future__ import annotations

import math

import pytest
import torch

from robustbench_seg.attacks.budgets import BUDGETS
from robustbench_seg.attacks.universal import Universal
from robustbench_seg.errors import InputError, UsageError
from tests.attacks.linear import OPTIMA, linear_problem

SIZE = (6, 8)


def weights(count):
    return torch.randn(count, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def fitted(attack, contexts, norm, epsilon):
    (perturbation,) = attack.fit([(c, BUDGETS[norm](c.images, epsilon)) for c in contexts]).values()
    return perturbation


def grey(count):
    return torch.full((count, 3, *SIZE), 0.5)


@pytest.mark.parametrize("norm", OPTIMA)
@pytest.mark.parametrize(
    "attack", [Universal(), Universal(steps=60, alpha=0.5), Universal(steps=1, alpha=4.0)], ids=str
)
def test_the_best_perturbation_of_linear_models_is_that_of_their_mean_gradient(norm, attack):
    """Three models, seen on one, three and two images: they count as often as there are images."""
    first, second, third = weights(3)
    contexts = [linear_problem(w, grey(count)) for w, count in ((first, 1), (second, 3), (third, 2))]
    optimum = OPTIMA[norm]((first + 3 * second + 2 * third) / 6, 4.0)
    found = fitted(attack, contexts, norm, 4.0)
    torch.testing.assert_close(found[0] * 255, optimum, rtol=0, atol=5e-4)


@pytest.mark.parametrize("norm", OPTIMA)
def test_every_image_gets_the_same_perturbation_in_its_range(norm):
    (weight,) = weights(1)
    perturbation = fitted(Universal(), [linear_problem(weight, grey(2))], norm, 8.0)
    attack = Universal().bound({8.0: {"perturbation": perturbation}})
    images = torch.stack([torch.full((3, *SIZE), value) for value in (0.3, 0.6, 1.0)])
    delta = attack(linear_problem(weight, images), 8.0, norm) - images
    torch.testing.assert_close(delta[0], perturbation[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(delta[1], perturbation[0], rtol=0, atol=1e-6)
    assert (delta[2] <= 0).all(), "no value leaves the range"
    if norm == "rms":
        torch.testing.assert_close(delta.square().mean((1, 2, 3)).sqrt() * 255, torch.full((3,), 8.0))


def test_images_are_added_up_in_float64():
    """1e8 + 1 - 1e8 is 0 in float32."""
    large, small = torch.full((3, *SIZE), 1e8), torch.ones(3, *SIZE)
    contexts = [linear_problem(w, grey(1)) for w in (large, small, -large)]
    assert torch.equal(fitted(Universal(), contexts, "linf", 2.0), torch.full((1, 3, *SIZE), 2 / 255))


def test_gradients_too_small_for_float32_as_a_mean_still_count():
    tiny = torch.full((3, *SIZE), 1e-45)
    found = fitted(Universal(steps=1), [linear_problem(tiny, grey(1))], "linf", 2.0)
    assert (found > 0).all()


@pytest.mark.parametrize("norm", OPTIMA)
def test_how_images_are_batched_does_not_matter(worlds, norm):
    world, attack = worlds(4), Universal(steps=4)
    together = fitted(attack, [world.context(attack, "semantic")], norm, 4.0)
    alone = fitted(attack, [world.part([i]).context(attack, "semantic") for i in range(4)], norm, 4.0)
    # Where the mean gradient is 0 but for rounding its sign may differ.
    assert ((together - alone).abs() > 1e-5).float().mean() < 0.002


def test_it_raises_the_loss_of_the_images_it_is_fitted_on_and_of_others(worlds):
    world, attack = worlds(8), Universal(steps=10)
    parts = world.part(range(4)), world.part(range(4, 8))
    perturbation = fitted(attack, [parts[0].context(attack, "semantic")], "linf", 8.0)
    for part in parts:
        context = part.context(attack, "semantic")
        x = attack.bound({8.0: {"perturbation": perturbation}})(context, 8.0)
        assert context.loss(x).mean() > context.loss(part.images).mean()


def test_without_a_gradient_there_is_no_perturbation():
    context = linear_problem(torch.zeros(3, *SIZE), grey(2))
    assert not fitted(Universal(), [context], "linf", 2.0).any()


def test_images_of_another_size_are_refused_in_one_line():
    attack = Universal().bound({2.0: {"perturbation": torch.zeros(1, 3, 6, 8)}})
    with pytest.raises(InputError, match="fitted on images of 6 x 8, this one is 4 x 8") as caught:
        attack(linear_problem(weights(1)[0, :, :4], grey(1)[:, :, :4]), 2.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("emphasis", [0.9999, 0.75, 0.5])
def test_hidden_pixels_count_as_much_as_they_are_emphasised(painted, emphasis):
    """The gradient at each pixel of a classifier of pixels is its own: persons count omega, the others 1 - omega."""
    world = painted(torch.tensor([[0, 2, 1], [0, 2, 1]]))
    alike, weighed = (
        world.context(attack, "hide:person@semantic")
        for attack in (Universal(emphasis=0.5), Universal(emphasis=emphasis))
    )
    x = world.images + 0.01
    ratio = weighed.gradient(x).abs().sum(1) / alike.gradient(x).abs().sum(1)
    expected = torch.tensor([[1 - emphasis, emphasis, 1 - emphasis]]).expand(2, 3) * 2
    torch.testing.assert_close(ratio[0], expected, rtol=1e-3, atol=1e-6)


def test_its_cost_is_a_gradient_per_step_image_and_epsilon(world):
    attack = Universal(steps=4)
    context = world.context(attack, "semantic")
    for epsilon in (1.0, 2.0):
        fitted(attack, [context], "linf", epsilon)
    assert world.target_model.cost.backwards == attack.num_fit_gradients([0.0, 1.0, 2.0]) * len(world.images)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"steps": 0}, "steps 0 must be >= 1"),
        ({"alpha": math.nan}, "alpha nan must be a number >= 0"),
        ({"images": 0}, "images 0 must be >= 1"),
        ({"emphasis": 1.0}, "emphasis 1.0 must be between 0 and 1"),
        ({"loss": "nothing"}, "loss 'nothing' is none that a task has"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(parameters, message):
    with pytest.raises(UsageError, match=message) as caught:
        Universal(**parameters)
    assert "\n" not in str(caught.value)
