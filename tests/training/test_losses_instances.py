"""Training losses of instances, auxiliary tasks and deep supervision, and how losses are balanced."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.instances.losses import Comparison, detection_losses, instance_depth_loss, mask_loss
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.training.batches import Source
from robustbench_seg.training.losses import (
    AUXILIARY,
    BALANCES,
    TRAINED,
    LossSettings,
    geometric_mean,
    log_depth_rmse,
    weighted_sum,
)
from robustbench_seg.training.supervised import DEEP, Supervised
from tests.tasks.made_instances import Found, Known, labelled, predicted

PLAIN = LossSettings()
TALL, WIDE, FLAT = (8, 8, 24, 56), (40, 12, 88, 52), (40, 54, 88, 64)
KNOWN = [
    [Known(TALL, 1, 12.0), Known(WIDE, 2, 0.0)],
    [Known(TALL, 1, 30.0), Known(WIDE, 2, 20.0), Known(FLAT, 2, 25.0)],
    [],
]
FOUND = [[Found(TALL, 1), Found(WIDE, 2)], [Found((44, 16, 92, 60), 2)], [Found(TALL, 1)]]


@pytest.fixture
def dense() -> DenseInstances:
    g = torch.Generator().manual_seed(0)
    made = predicted(FOUND)
    return dataclasses.replace(
        made,
        classes=made.classes / 5 + torch.randn(made.classes.shape, generator=g),
        centerness=torch.randn(made.centerness.shape, generator=g),
        codes=torch.randn(3, len(made.locations), 3, generator=g),
    )


# pooling


def test_pooled_losses_are_the_images_sums_over_all_their_counts(dense):
    """Not a mean of means: an image with more locations weighs more."""
    truth = labelled(KNOWN)
    at = Comparison(dense, truth).positives
    counts = torch.bincount(at.image, minlength=3)
    assert counts[2] == 0
    assert counts[0] != counts[1]
    found = TRAINED["detection"].losses(dense, truth, PLAIN)
    each = detection_losses(dense, truth)
    # `_mean` of an image without a positive is the sum, which is the background's classification loss.
    cls = each["cls"] * counts.clamp(min=1)
    torch.testing.assert_close(found["cls"], cls.sum() / counts.sum())
    torch.testing.assert_close(found["centerness"], (each["centerness"] * counts).sum() / counts.sum())
    weights = torch.zeros(3).index_add(0, at.image, Comparison(dense, truth).centerness)
    torch.testing.assert_close(found["reg"], (each["reg"] * weights).sum() / weights.sum())
    masks = TRAINED["instance"].losses(dense, truth, PLAIN)["mask"]
    torch.testing.assert_close(masks, (mask_loss(dense, truth) * counts).sum() / counts.sum())


def test_instances_without_a_depth_do_not_count_in_the_mean(dense):
    truth = labelled(KNOWN)
    at = Comparison(dense, truth).positives
    known = at.depth > 0
    assert 0 < known.sum() < len(known)
    found = TRAINED["instance_depth"].losses(dense, truth, PLAIN)["instance_depth"]
    error = (dense.depth[at.image, at.location] - at.depth).abs()[known]
    torch.testing.assert_close(found, error.mean())
    assert not torch.isclose(found, instance_depth_loss(dense, truth)[:2].mean()), "nor is it a mean over images"


def test_one_image_is_trained_with_what_it_is_attacked_with(dense):
    truth = labelled(KNOWN)[:1]
    one = dataclasses.replace(
        dense,
        **{k: getattr(dense, k)[:1] for k in ("classes", "boxes", "centerness", "codes", "depth")},
    )
    for name in ("detection", "instance", "instance_depth"):
        attacked = TASKS.get(name)().losses(one, truth)
        trained = TRAINED[name].losses(one, truth, PLAIN)
        assert trained.keys() == attacked.keys()
        for key, value in trained.items():
            torch.testing.assert_close(value, attacked[key][0])


@pytest.mark.parametrize("name", ["detection", "instance", "instance_depth"])
def test_a_batch_without_an_instance_has_none_of_these_losses(dense, name):
    assert TRAINED[name].losses(dense, labelled([[], [], []]), PLAIN) == {}


def test_a_batch_without_a_known_depth_has_the_others(dense):
    truth = labelled([[Known(WIDE, 2, 0.0)], [], []])
    assert TRAINED["instance_depth"].losses(dense, truth, PLAIN) == {}
    assert set(TRAINED["detection"].losses(dense, truth, PLAIN)) == {"cls", "reg", "centerness"}


def test_every_task_is_trained_with_the_raw_losses_it_declares(dense):
    logits, depth = torch.randn(1, 3, 4, 4), torch.rand(1, 4, 4) + 1
    given = {
        "semantic": (logits, torch.zeros(1, 4, 4, dtype=torch.int64)),
        "depth": (depth, depth + 1),
        **dict.fromkeys(("detection", "instance", "instance_depth"), (dense, labelled(KNOWN))),
    }
    for name, trained in TRAINED.items():
        assert trained.task.name == name
        assert list(trained.losses(*given[name], PLAIN)) == [raw.name for raw in trained.task.raw_losses]


# closed forms


def test_log_depth_rmse():
    """Twice too far at one pixel, four times too near at another; invalid and far ones do not count."""
    label = torch.tensor([[[0.0, 2.0], [8.0, 100.0]]])
    depth = torch.tensor([[[5.0, 4.0], [2.0, 1.0]]], requires_grad=True)
    loss = log_depth_rmse(depth, label)
    torch.testing.assert_close(loss, torch.tensor(math.log(2) * math.sqrt((1 + 4) / 2)))
    loss.backward()
    # d/dz sqrt(mean e^2) = e / (n * loss * z).
    expected = torch.tensor([[[0, math.log(2) / 4], [-math.log(4) / 2, 0]]]) / (2 * loss.item())
    torch.testing.assert_close(depth.grad, expected)


def test_log_depth_rmse_has_a_gradient_where_it_is_0():
    depth = torch.full((1, 2, 2), 7.0, requires_grad=True)
    for label in (torch.full((1, 2, 2), 7.0), torch.zeros(1, 2, 2)):
        log_depth_rmse(depth, label).backward()
        assert depth.grad.count_nonzero() == 0
        assert depth.grad.isfinite().all()


def test_the_depth_loss_is_the_recipes():
    label, depth = torch.tensor([[[2.0, 8.0]]]), torch.tensor([[[4.0, 2.0]]])
    found = {kind: TRAINED["depth"].losses(depth, label, LossSettings(None, kind)) for kind in ("log_l1", "log_rmse")}
    torch.testing.assert_close(found["log_l1"]["depth"], torch.tensor(1.5 * math.log(2)))
    torch.testing.assert_close(found["log_rmse"]["depth"], torch.tensor(math.sqrt(2.5) * math.log(2)))


def test_normals_are_compared_as_unit_vectors():
    label = torch.zeros(1, 3, 1, 3)
    label[0, :, 0, 0] = torch.tensor([0.0, 0.0, 1.0])
    label[0, :, 0, 1] = torch.tensor([0.6, 0.0, 0.8])
    output = torch.tensor([[3.0, 0, 0], [1.2, 0, 1.6], [5, 5, 5]]).T.view(1, 3, 1, 3)
    # |1 - 0| + |0 - 1| at the first pixel, 0 at the second whatever its length, no label at the third.
    found = AUXILIARY["normals"](output, label, PLAIN)
    torch.testing.assert_close(found["normals"], torch.tensor((2.0 + 0.0) / 2))
    assert AUXILIARY["normals"](output, torch.zeros_like(label), PLAIN) == {}


def test_edges_weigh_both_classes_the_same():
    g = torch.Generator().manual_seed(0)
    label = (torch.rand(2, 8, 9, generator=g) < 0.2).long()
    label[0, 0] = 255
    logits = torch.randn(2, 8, 9, generator=g)
    edge, rest = F.softplus(-logits[label == 1]), F.softplus(logits[label == 0])
    total = len(edge) + len(rest)
    share = len(edge) / total
    expected = ((1 - share) * edge.sum() + share * rest.sum()) / total
    torch.testing.assert_close(AUXILIARY["edges"](logits, label, PLAIN)["edges"], expected)
    balanced = share * (1 - share) * (edge.mean() + rest.mean())
    torch.testing.assert_close(expected, balanced)
    assert AUXILIARY["edges"](logits, torch.full_like(label, 255), PLAIN) == {}


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
    torch.testing.assert_close(run(balance=balance).compared(outputs, nothing), parts(outputs, labels)["semantic"])


def test_no_label_at_all_is_a_step_that_changes_nothing(run, stub):
    outputs, labels = stub
    nothing = {
        "semantic": torch.full_like(labels["semantic"], 255),
        "depth": torch.zeros_like(labels["depth"]),
    }
    for balance in ("sum", "geometric"):
        loss = run(balance=balance).compared(outputs, nothing)
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
    torch.testing.assert_close(deep - plain, 3 * AUXILIARY["edges"](logits, labels["edges"], PLAIN)["edges"])


def test_depth_beyond_the_range_is_no_label():
    far = torch.full((1, 2, 2), 90.0)
    assert TRAINED["depth"].losses(torch.full((1, 2, 2), 20.0), far, LossSettings()) == {}
