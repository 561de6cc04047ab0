"""How losses are balanced, and the loss of a step."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.deephead import DEEP
from robustbench_seg.tasks.base import LossSettings
from robustbench_seg.tasks.edges import Edges
from robustbench_seg.training.batches import Source
from robustbench_seg.training.supervised import BALANCES, Supervised, geometric_mean, weighted_sum

PLAIN = LossSettings()


def test_task_without_labels(toy):
    with pytest.raises(InputError, match="no labels for task 'normals'"):
        Source(toy, ("normals",))


def test_a_sample_without_a_label_its_data_set_lists(toy):
    toy.tasks = (*toy.tasks, "normals")
    with pytest.raises(InputError, match=r"put labels\['normals'\] into its Sample"):
        Source(toy, ("normals",))[0]


# balances


def test_balances_in_numbers():
    losses = {"a": torch.tensor(2.0), "b": torch.tensor(8.0), "c": torch.tensor(4.0)}
    torch.testing.assert_close(geometric_mean(losses), torch.tensor(4.0))
    torch.testing.assert_close(weighted_sum(losses), torch.tensor(14.0))
    assert set(BALANCES) == {"sum", "geometric"}


def test_weights_scale_the_geometric_loss_and_turn_no_gradient():
    values = torch.tensor([2.0, 8.0, 4.0], requires_grad=True)
    gradients = []
    for weights in ([1.0, 1.0, 1.0], [8.0, 1.0, 1.0]):
        losses = {str(i): weight * values[i] for i, weight in enumerate(weights)}
        gradients.append(torch.autograd.grad(geometric_mean(losses), values)[0])
    torch.testing.assert_close(gradients[0], 4 / (3 * values.detach()))
    torch.testing.assert_close(gradients[1], 2 * gradients[0])


# the loop's loss


@pytest.fixture
def run(recipe, toy, tmp_path):
    """A run of the toy with a balance and auxiliary tasks: `run(balance=, auxiliary=)`."""

    def make(**changes) -> Supervised:
        changed = replace(recipe, tasks={"semantic": 1.0, "depth": 0.5}, **changes)
        source = Source(toy, ("semantic", "depth"))
        return Supervised(changed, source, PLAIN, torch.device("cpu"))

    return make


@pytest.fixture
def stub():
    """Outputs and labels of two images of 8x12 with three classes."""
    g = torch.Generator().manual_seed(0)
    outputs = {"semantic": torch.randn(2, 3, 8, 12, generator=g), "depth": 1 + 9 * torch.rand(2, 8, 12, generator=g)}
    edges = (torch.rand(2, 8, 12, generator=g) < 0.3).long()
    semantic = torch.randint(0, 3, (2, 8, 12), generator=g)
    labels = {"semantic": semantic, "depth": 1 + 9 * torch.rand(2, 8, 12, generator=g), "edges": edges}
    return outputs, labels


def parts(outputs, labels, size=(8, 12)):
    """Cross-entropy and mean log error of one level, labels taken at the middle of each cell."""
    steps = [n // m for n, m in zip((8, 12), size, strict=True)]
    own = {k: v[:, steps[0] // 2 :: steps[0], steps[1] // 2 :: steps[1]] for k, v in labels.items()}
    return {
        "semantic": F.cross_entropy(outputs["semantic"], own["semantic"]),
        "depth": (outputs["depth"].log() - own["depth"].log()).abs().mean(),
    }


def test_weights_of_tasks_are_in_the_sum_and_in_the_mean(run, stub):
    outputs, labels = stub
    each = parts(outputs, labels)
    torch.testing.assert_close(run().compared(outputs, labels), each["semantic"] + 0.5 * each["depth"])
    geometric = (each["semantic"] * 0.5 * each["depth"]).sqrt()
    torch.testing.assert_close(run(balance="geometric").compared(outputs, labels), geometric)


@pytest.mark.parametrize("balance", ["sum", "geometric"])
def test_a_loss_without_a_label_is_left_out(run, stub, balance):
    outputs, labels = stub
    nothing = {**labels, "depth": torch.zeros_like(labels["depth"])}
    method = run(balance=balance)
    found = method.compared(outputs, method.learnable(nothing))
    torch.testing.assert_close(found, parts(outputs, labels)["semantic"])


def test_no_label_at_all_is_a_step_that_changes_nothing(run, stub):
    outputs, labels = stub
    nothing = {
        "semantic": torch.full_like(labels["semantic"], 255),
        "depth": torch.zeros_like(labels["depth"]),
    }
    for balance in ("sum", "geometric"):
        method = run(balance=balance)
        assert method.learnable(nothing) == {}
        loss = method.compared(outputs, {})
        assert loss.item() == 0
        loss.backward()


def test_levels_on_the_way_are_averaged_and_added_at_their_own_size(run, stub):
    outputs, labels = stub
    g = torch.Generator().manual_seed(1)
    sizes = [(8, 12), (4, 6), (2, 3)]
    levels = [
        {"semantic": torch.randn(2, 3, *size, generator=g), "depth": 1 + torch.rand(2, *size, generator=g)}
        for size in sizes
    ]
    found = [parts(level, labels, size) for level, size in zip(levels, sizes, strict=True)]
    supervision = sum(each["semantic"] + 0.5 * each["depth"] for each in found) / 3
    for balance in ("sum", "geometric"):
        plain = run(balance=balance).compared(outputs, labels)
        deep = run(balance=balance).compared({**outputs, DEEP: tuple(levels)}, labels)
        torch.testing.assert_close(deep, plain + supervision)


def test_auxiliary_tasks_are_learnt_on_the_way_with_their_weight(run, stub):
    outputs, labels = stub
    logits = torch.randn(2, 8, 12, generator=torch.Generator().manual_seed(2))
    plain = run().compared(outputs, labels)
    deep = run(auxiliary={"edges": 3.0}).compared({**outputs, DEEP: ({"edges": logits},)}, labels)
    torch.testing.assert_close(deep - plain, 3 * Edges().training_losses(logits, labels["edges"], PLAIN)["edges"])
