"""Cross-task attention, against its parameters in print, its symmetries and finite differences."""

from __future__ import annotations

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.cross_attention import (
    AttentionExchange,
    AttentionParameters,
    CrossTaskAttention,
    over_channels,
    over_positions,
)
from robustbench_seg.models.blocks.exchange import EXCHANGES, make_exchange

TASKS = ("semantic", "depth", "normals")
ABLATIONS = [
    {},
    {"attention": "channel"},
    {"attention": "both"},
    {"self_attention": False},
    {"fusion": "product"},
    {"fusion": "concat"},
]


def count(tasks, width):
    block = AttentionExchange(tasks, tasks, width, AttentionParameters())
    return round(sum(parameter.numel() for parameter in block.parameters()) / 1e6, 3)


def test_parameters_at_the_papers_widths():
    """DenseMTL 2023, Table 3: .77 and 3.09 M for two tasks, 2.32 and 9.26 M for three."""
    assert [count(TASKS[:2], 128), count(TASKS[:2], 256)] == [0.773, 3.087]
    assert [count(TASKS, 128), count(TASKS, 256)] == [2.319, 9.259]


@pytest.mark.parametrize(("attend", "dim"), [(over_positions, 2), (over_channels, 1)])
def test_the_order_of_the_source_does_not_matter_and_that_of_the_query_is_kept(attend, dim):
    query, key, value = torch.randn(3, 2, 6, 6)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    found = attend(query, key, value)
    shuffled = attend(query, key.index_select(dim, order), value.index_select(dim, order))
    torch.testing.assert_close(shuffled, found)
    torch.testing.assert_close(attend(query.index_select(dim, order), key, value), found.index_select(dim, order))


def test_attention_over_positions_is_the_softmax_of_scaled_products():
    query, key, value = torch.randn(3, 2, 8, 5).double()
    weights = (torch.einsum("ncp,ncq->npq", query, key) / 8**0.5).softmax(2)
    torch.testing.assert_close(over_positions(query, key, value), torch.einsum("npq,ncq->ncp", weights, value))


def test_it_starts_as_self_attention_alone():
    direction = CrossTaskAttention(8, "spatial", True, 2).eval()
    source, target, other = torch.rand(3, 2, 8, 8, 12)
    assert torch.equal(direction(target, source), direction(other, source))
    assert not torch.equal(direction(target, source), direction(target, other))
    expected = direction.project(torch.cat([direction.own(direction.shared(source)), torch.zeros_like(source)], 1))
    assert torch.equal(direction(target, source), expected)


@pytest.mark.parametrize("options", ABLATIONS, ids=str)
def test_gradients_of_every_branch_are_those_of_finite_differences(options):
    torch.manual_seed(0)
    block = make_exchange("attention", {**options, "pooling": 2}, TASKS[:2], TASKS, 4).eval().double()
    with torch.no_grad():
        for name, parameter in block.named_parameters():
            # Gains that are not 0, and nothing that ReLU cuts off.
            parameter.uniform_(0.1, 0.4) if parameter.dim() == 1 or "gain" in name else parameter.normal_(0, 0.3)
    maps = [torch.rand(1, 4, 4, 4, dtype=torch.float64, requires_grad=True) for _ in TASKS]

    def refined(*maps):
        return tuple(block(dict(zip(TASKS, maps, strict=True))).values())

    assert torch.autograd.gradcheck(refined, maps)
    refined(*maps)[0].sum().backward()
    directions = block.directions["semantic"].named_parameters()
    assert [name for name, parameter in directions if not parameter.grad.any()] == []


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_exchange_keeps_shapes_and_a_task_alone_as_it_is(name):
    block = make_exchange(name, {}, TASKS[:2], TASKS, 8).eval()
    maps = {task: torch.rand(2, 8, 9, 13) for task in TASKS}
    assert {task: value.shape for task, value in block(maps).items()} == dict.fromkeys(TASKS[:2], (2, 8, 9, 13))
    alone = make_exchange(name, {}, TASKS[:1], TASKS[:1], 8)
    assert torch.equal(alone(maps)["semantic"], maps["semantic"])


def test_bad_exchanges_are_one_line():
    with pytest.raises(InputError, match="exchange: unknown exchange 'atention'; did you mean attention"):
        make_exchange("atention", {}, TASKS, TASKS, 8)
    with pytest.raises(InputError, match="exchange_args"):
        make_exchange("gated", {"pooling": 2}, TASKS, TASKS, 8)
