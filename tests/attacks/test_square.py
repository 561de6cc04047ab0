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
