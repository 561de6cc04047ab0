"""APGD: linear optima, an implementation written from the paper, stages and warm starts."""

from __future__ import annotations

import math

import pytest
import torch

from robustbench_seg.attacks.apgd import APGD
from robustbench_seg.errors import UsageError
from tests.attacks.linear import OPTIMA, linear_problem


@pytest.fixture
def weight():
    return torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("norm", OPTIMA)
@pytest.mark.parametrize("attack", [APGD(steps=30), APGD(steps=60, stages=True), APGD(steps=30, by_loss=True)], ids=str)
def test_it_reaches_a_linear_models_optimum(weight, norm, attack):
    images = torch.full((2, 3, 6, 8), 0.5)
    x = attack(linear_problem(weight, images), 4.0, norm)
    optimum = OPTIMA[norm](weight, 4.0).expand(2, -1, -1, -1)
    torch.testing.assert_close((x - images) * 255, optimum, rtol=0, atol=5e-4)


def checkpoints(steps):
    """Algorithm 1 of the paper: p0 = 0, p1 = .22, p(j+1) = p(j) + max(p(j) - p(j-1) - .03, .06), in whole steps."""
    length, at, points = max(int(0.22 * steps), 1), 0, []
    while at + length < steps:
        at += length
        points.append(at)
        length = max(length - max(int(0.03 * steps), 1), max(int(0.06 * steps), 1))
    return points


def algorithm_1(value_and_gradient, clean, epsilon, steps):
    """Maximise one image over the linf ball as the paper writes it; rho and alpha are .75."""

    def project(x):
        return torch.maximum(torch.minimum(x, clean + epsilon), clean - epsilon).clamp(0, 1)

    eta = 2 * epsilon
    x_before, (value, gradient) = clean, value_and_gradient(clean)
    best, best_value, best_gradient = clean, value, gradient
    x, values = clean, [value]
    eta_then, best_then, last = math.inf, value, 0
    for k in range(1, steps):
        z = project(x + eta * gradient.sign())
        moved = z if k == 1 else project(x + 0.75 * (z - x) + 0.25 * (x - x_before))
        x_before, x = x, moved
        value, gradient = value_and_gradient(x)
        values.append(value)
        if value > best_value:
            best, best_value, best_gradient = x, value, gradient
        if k in checkpoints(steps):
            risen = sum(values[i + 1] > values[i] for i in range(last, k))
            condition_1 = risen < 0.75 * (k - last)
            condition_2 = eta_then == eta and best_then == best_value
            eta_then, best_then, last = eta, best_value, k
            if condition_1 or condition_2:
                eta, x, gradient = eta / 2, best, best_gradient
                values[-1] = best_value
    return best


@pytest.mark.parametrize("epsilon", [1.0, 8.0])
def test_it_is_the_papers_algorithm(world, epsilon):
    attack = APGD(steps=40, by_loss=True, scale_free=False)
    context = world.context(attack, "semantic")
    found = attack(context, epsilon)
    for i in range(len(world.images)):
        alone = world.part([i])
        context = alone.context(attack, "semantic")

        def value_and_gradient(x, context=context):
            point = context.evaluate(x)
            return float(point.loss), point.gradient

        expected = algorithm_1(value_and_gradient, alone.images, epsilon / 255, 40)
        assert ((found[i] - expected[0]).abs() > 1e-6).float().mean() < 0.02


def test_the_result_is_the_worst_point_of_the_trajectory(world):
    """More steps of the same trajectory never give a better prediction."""
    attack = APGD(steps=25, loss="masked_ce")
    context = world.context(attack, "semantic")
    clean = context.evaluate(world.images).performance
    found = context.evaluate(attack(context, 4.0)).performance
    assert (found < clean).all()


def test_a_warm_start_is_the_result_at_the_next_smaller_epsilon(world):
    attack = APGD(steps=10, warm_start=True)
    context = world.context(attack, "semantic")
    results = dict(attack.perturb(context, [8.0, 2.0]))
    then = context.evaluate(results[2.0]).performance
    assert (context.evaluate(results[8.0]).performance <= then).all()


def test_stages_end_in_the_ball(world):
    attack = APGD(steps=20, stages=True)
    context = world.context(attack, "semantic")
    for norm in ("linf", "rms"):
        x = attack(context, 2.0, norm)
        distance = (
            (x - world.images).abs().amax() if norm == "linf" else (x - world.images).square().mean((1, 2, 3)).sqrt()
        )
        torch.testing.assert_close(distance.max() * 255, torch.tensor(2.0), rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"steps": 0}, "steps 0 must be >= 2"), ({"loss": "crossentropy"}, "loss 'crossentropy' is none that a task has")],
)
def test_bad_parameters_are_refused_in_one_line(parameters, message):
    with pytest.raises(UsageError, match=message) as caught:
        APGD(**parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("params", "least"), [({}, 2), ({"stages": True}, 6)])
def test_a_ball_takes_more_than_the_gradient_at_its_start(params, least, world):
    with pytest.raises(UsageError, match=f"must be >= {least}"):
        APGD(steps=least - 1, **params)
    attack = APGD(steps=least, **params)
    context = world.context(attack, "semantic")
    assert not torch.equal(attack(context, 1.0), context.images)
