"""Square: a black box whose queries never lower the loss."""

from __future__ import annotations

import pytest
import torch

from robustbench_seg.attacks.square import Square
from robustbench_seg.errors import UsageError


@pytest.mark.parametrize("norm", ["linf", "rms"])
def test_more_queries_never_lower_the_loss(world, norm):
    losses = []
    for queries in (1, 10, 80):
        attack = Square(queries=queries)
        context = world.context(attack, "semantic")
        losses.append(context.loss(attack(context, 8.0, norm)))
    assert (losses[0] <= losses[1] + 1e-6).all()
    assert (losses[1] < losses[2]).all()


def test_it_takes_no_gradient(world):
    attack = Square(queries=7)
    context = world.context(attack, "semantic")
    before = world.target_model.cost
    list(attack.perturb(context, [1.0, 4.0]))
    cost = world.target_model.cost
    assert cost.backwards == before.backwards
    assert (cost.forwards - before.forwards) / len(world.images) == attack.num_forwards([1.0, 4.0]) == 14


def test_in_the_maximum_norm_every_value_is_at_the_edge_of_the_ball(world):
    attack = Square(queries=20)
    x = attack(world.context(attack, "semantic"), 4.0)
    inside = (world.images > 5 / 255) & (world.images < 250 / 255)
    moved = ((x - world.images).abs() * 255)[inside]
    torch.testing.assert_close(moved, torch.full_like(moved, 4.0), rtol=0, atol=1e-3)


def side(query, queries, share, height, width):
    """The square's side: sqrt(p h w), p halved after these of 10 000 iterations (the authors' `p_selection`)."""
    for halving in (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000):
        if query * 10_000 > halving * queries:
            share /= 2
    return min(max(round((share * height * width) ** 0.5), 1), height, width)


def algorithm_1(harm, image, draw, epsilon, queries, share):
    """Random search over the linf ball as the paper writes it, squares as in its algorithm 2; one image (3,H,W)."""
    channels, height, width = image.shape

    def project(x):
        return torch.maximum(torch.minimum(x, image + epsilon), image - epsilon).clamp(0, 1)

    def signs(*shape):
        return torch.from_numpy(2.0 * draw.integers(0, 2, shape) - 1).float()

    best = project(image + epsilon * signs(channels, 1, width))
    most, taken = harm(best), 0
    for i in range(1, queries):
        h = side(i, queries, share, height, width)
        delta = torch.zeros_like(image)
        r, s = draw.integers(0, height - h + 1), draw.integers(0, width - h + 1)
        delta[:, r : r + h, s : s + h] = 2 * epsilon * signs(channels, 1, 1)
        new = project(best + delta)
        if harm(new) > most:
            best, most, taken = new, harm(new), taken + 1
    return best, taken


def test_it_is_the_papers_algorithm(worlds):
    world, queries, share, epsilon = worlds(2), 80, 0.3, 8.0
    attack = Square(queries=queries, share=share, scale_free=False)
    found = attack(world.context(attack, "semantic"), epsilon)
    for i in range(len(world.images)):
        context = world.part([i]).context(attack, "semantic")
        (draw,) = context.generators("square")
        expected, taken = algorithm_1(
            lambda x, context=context: float(context.loss(x[None])),
            world.images[i],
            draw,
            epsilon / 255,
            queries,
            share,
        )
        assert 5 < taken < queries - 1
        torch.testing.assert_close(found[i], expected, rtol=0, atol=1e-6)


def test_squares_shrink_as_the_paper_says():
    attack = Square(queries=10_000, share=0.1)
    areas = [attack._side(query, (100, 100)) ** 2 for query in (1, 11, 51, 201, 501, 8001)]
    assert areas == pytest.approx([1000, 500, 250, 125, 62.5, 1.95], rel=0.5)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [({"queries": 0}, "queries 0"), ({"share": 0.0}, r"share 0\.0"), ({"share": 1.5}, r"share 1\.5")],
)
def test_bad_parameters_are_refused(parameters, message):
    with pytest.raises(UsageError, match=message):
        Square(**parameters)
