"""Adaptation: whose gradient goes where, labels that are not read, bit-exact resuming, and what is exported."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import InputError
from robustbench_seg.models.catalogue.card import load_folder, read_card
from robustbench_seg.training.adaptation.adapted import Adapted
from robustbench_seg.training.adaptation.losses import adversarial_loss, discriminator_loss
from robustbench_seg.training.adaptation.network import AdaptedNet
from robustbench_seg.training.export import export
from robustbench_seg.training.loop import BEST, LOG, STATE, _initial_state, _prepare, _step, train
from robustbench_seg.training.method import Splits
from robustbench_seg.training.place import HERE
from robustbench_seg.training.recipe import DiscriminatorRecipe
from robustbench_seg.training.state import read_state
from robustbench_seg.training.supervised import Supervised
from tests.models.networks.nano import make
from tests.training.test_waits import _waits


def _run(recipe, toy, splits):
    run = _prepare(recipe, toy, toy, splits, Path("unused"), HERE)
    return run, _initial_state(run)


def _moved(run, state, steps=3):
    """The state after some steps."""
    objective = HERE.objective(state.module, run.method.loss)
    for step in range(steps):
        _step(run, state, objective, run.method.batch(step))
    return state


@pytest.fixture
def judged(adapted_recipe, toy, splits):
    """The module and what it gives for the first batch: `module, judged, method, batch`."""
    run, state = _run(adapted_recipe, toy, splits)
    batch = run.method.batch(0)
    return state.module, state.module(batch.labelled.images, batch.unlabelled.images), run.method, batch


# the network and its discriminators


def test_one_discriminator_per_task_and_scale(judged):
    module, found, _, batch = judged
    assert [list(level) for level in module.discriminators] == [["semantic", "depth"]] * 2
    channels = [[judge.layers[0].in_channels for judge in level.values()] for level in module.discriminators]
    assert channels == [[3, 1]] * 2
    assert (len(batch.labelled.images), len(batch.unlabelled.images)) == (2, 3)
    shapes = [[tuple(verdict.target.shape) for verdict in level.values()] for level in found.verdicts]
    # Three convolutions of stride 2 after maps at half, and at the full 64x64.
    assert shapes == [[(3, 1, 4, 4)] * 2, [(3, 1, 8, 8)] * 2]


def test_discriminators_leave_the_network_and_its_draws_as_they_were(adapted_recipe, toy, splits):
    _, adapted = _run(adapted_recipe, toy, splits)
    _, plain = _run(replace(adapted_recipe, adaptation=None), toy, None)
    ours, theirs = adapted.network.state_dict(), plain.network.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def _reached(module):
    return {name.split(".")[0] for name, p in module.named_parameters() if p.grad is not None and p.grad.any()}


@pytest.mark.parametrize(("loss", "side"), [(adversarial_loss, {"network"}), (discriminator_loss, {"discriminators"})])
def test_each_loss_reaches_one_side_alone(judged, loss, side):
    module, found, *_ = judged
    loss(found.verdicts).backward()
    assert _reached(module) == side


def test_the_adversarial_gradient_is_the_targets_alone(judged):
    """The source gives the range of depths, as numbers."""
    module, _, _, batch = judged
    images = batch.labelled.images.clone().requires_grad_()
    targets = batch.unlabelled.images.clone().requires_grad_()
    adversarial_loss(module(images, targets).verdicts).backward()
    assert images.grad is None
    assert targets.grad.abs().max() > 0


def test_the_loss_is_the_sum_of_the_three(judged):
    _, found, method, batch = judged
    supervised = method.labelled.compared(found.outputs, batch.labelled.labels)
    expected = supervised + 0.1 * adversarial_loss(found.verdicts) + discriminator_loss(found.verdicts)
    torch.testing.assert_close(method.loss(lambda *_: found, batch), expected)


def test_every_part_learns_with_its_own_optimiser(plain_recipe, toy, splits):
    run, state = _run(plain_recipe, toy, splits)
    network, judges = state.learners
    (group,) = judges.optimiser.param_groups
    assert {id(p) for p in group["params"]} == {id(p) for p in state.module.discriminators.parameters()}
    assert (type(judges.optimiser), group["betas"], group["peak"]) == (torch.optim.Adam, (0.9, 0.99), 1e-2)
    owned = [p for group in network.optimiser.param_groups for p in group["params"]]
    assert len(owned) == len(list(state.network.parameters()))
    before = {name: p.detach().clone() for name, p in state.module.named_parameters()}
    # In the first step the encoder's blocks end in weights of 0.
    _moved(run, state, 2)
    still = [name for name, p in state.module.named_parameters() if torch.equal(p, before[name])]
    assert not still


@pytest.mark.parametrize(("name", "levels"), [("padnet", 1), ("mtinet", 4), ("deeplab", 0)])
def test_every_network_of_dense_tasks_is_judged_at_all_its_levels(name, levels):
    network = AdaptedNet(make(name), ("semantic", "depth"), ())
    verdicts = network.train()(torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 96)).verdicts
    assert [list(level) for level in verdicts] == [["semantic", "depth"]] * (levels + 1)


# against supervised training


def test_weight_zero_trains_the_same_network_as_the_source_alone(plain_recipe, toy, splits):
    """BatchNorm's running statistics alone have seen the target."""
    alone = _run(replace(plain_recipe, adaptation=replace(plain_recipe.adaptation, weight=0.0)), toy, splits)
    assert isinstance(alone[0].method, Supervised)
    adapted = _run(plain_recipe, toy, splits)[0]
    method = replace(adapted.method, adaptation=replace(plain_recipe.adaptation, weight=0.0))
    assert isinstance(method, Adapted)
    both = replace(adapted, method=method)
    ours, theirs = _moved(both, _initial_state(both)), _moved(*alone)
    for (name, mine), other in zip(ours.network.named_parameters(), theirs.network.parameters(), strict=True):
        assert torch.equal(mine, other), name
    key = "encoder.body.bn1.running_mean"
    assert not torch.equal(ours.network.state_dict()[key], theirs.network.state_dict()[key])


def test_a_weight_moves_the_network_elsewhere(plain_recipe, toy, splits):
    moved = []
    for weight in (0.1, 1.0):
        recipe = replace(plain_recipe, adaptation=replace(plain_recipe.adaptation, weight=weight))
        network = _moved(*_run(recipe, toy, splits)).network
        moved.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert not torch.allclose(*moved)


# what is read of the target


class _Untouchable(dict):
    def __getitem__(self, key):
        raise AssertionError(f"the target's label {key} was read")

    get = __iter__ = items = values = keys = __getitem__


def test_no_label_of_the_target_is_read_in_training(adapted_recipe, toy, splits, make_toy):
    class Hidden(make_toy):
        def __getitem__(self, index):
            return replace(super().__getitem__(index), labels=_Untouchable())

    hidden = replace(splits, train=Hidden(4, 100))
    with pytest.raises(AssertionError, match="was read"):
        hidden.train[0].labels["semantic"]
    seen, unseen = (_moved(*_run(adapted_recipe, toy, sets)).module.state_dict() for sets in (splits, hidden))
    assert all(torch.equal(seen[key], unseen[key]) for key in seen)


def test_another_target_is_another_run(adapted_recipe, toy, splits, make_toy):
    runs = [
        _prepare(adapted_recipe, toy, toy, sets, Path("unused"), HERE)
        for sets in (splits, replace(splits, train=make_toy(5, 100)), replace(splits, val=make_toy(3, 200)))
    ]
    assert len({run.identity for run in runs}) == 3


def test_source_and_target_are_drawn_apart(adapted_recipe, toy):
    """Of one data set: other images, or otherwise augmented."""
    same = replace(adapted_recipe, adaptation=replace(adapted_recipe.adaptation, batch=2))
    run, _ = _run(same, toy, Splits(toy, toy))
    batch = run.method.batch(0)
    assert not torch.equal(batch.labelled.images, batch.unlabelled.images)
    assert batch.unlabelled.labels == {}
    assert torch.equal(batch.unlabelled.images, run.method.batch(0).unlabelled.images)


# runs


def _stop(step, *_):
    if step == 3:
        raise KeyboardInterrupt


def test_interrupted_equals_uninterrupted(tmp_path, adapted_recipe, toy, splits):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    adapted_recipe = replace(adapted_recipe, steps=4)
    train(adapted_recipe, toy, toy, whole, unlabelled=splits)
    with pytest.raises(KeyboardInterrupt):
        train(adapted_recipe, toy, toy, parts, unlabelled=splits, progress=_stop)
    assert read_state(parts / STATE)["step"] == 2
    train(adapted_recipe, toy, toy, parts, unlabelled=splits)
    first, second = (read_state(folder / STATE) for folder in (whole, parts))
    for part in ("module", "average"):
        assert first[part].keys() == second[part].keys()
        assert all(torch.equal(first[part][key], second[part][key]) for key in first[part])
    assert any(key.startswith("discriminators.") and key.endswith("._u") for key in first["module"])
    assert not any(key.startswith("discriminators.") for key in first["average"])
    assert len(first["optimisers"]) == 2
    assert (whole / LOG).read_bytes() == (parts / LOG).read_bytes()


@pytest.mark.parametrize("weight", [0.1, 0.0])
def test_what_is_written(tmp_path, adapted_recipe, toy, splits, weight):
    adaptation = replace(adapted_recipe.adaptation, weight=weight)
    recipe = replace(adapted_recipe, adaptation=adaptation, steps=2, validate_every=1)
    outcome = train(recipe, toy, toy, tmp_path / "work", unlabelled=splits)
    rows = list(csv.DictReader((tmp_path / "work" / LOG).read_text().splitlines()))
    best = max(rows, key=lambda row: float(row["semantic_miou"]))
    assert outcome.step == int(best["step"]), "chosen on the source"
    assert not [key for key in read_state(tmp_path / "work" / BEST)["module"] if "discriminators" in key]
    card = export(recipe, toy, tmp_path / "work", tmp_path / "tiny", unlabelled=splits)
    assert read_card(tmp_path / "tiny") == card
    assert (card.adaptation.batch, card.adaptation.weight, card.adaptation.evaluation.images) == (3, weight, 2)
    assert card.depth_align == "median"
    for task, metric in (("semantic", "miou"), ("depth", "rmse")):
        logged = float(best[f"target_{task}_{metric}"])
        assert card.adaptation.metrics[task][metric] == pytest.approx(logged, abs=0.02), "rounded to fp16"
    outputs = load_folder(tmp_path / "tiny").module(torch.rand(1, 3, 64, 64))
    assert set(outputs) == {"semantic", "depth"}


def test_a_target_without_labels(tmp_path, adapted_recipe, toy, splits):
    splits.val.tasks = ()
    train(replace(adapted_recipe, steps=2), toy, toy, tmp_path / "work", unlabelled=splits)
    assert "target" not in (tmp_path / "work" / LOG).read_text()
    assert export(adapted_recipe, toy, tmp_path / "work", tmp_path / "tiny", unlabelled=splits).adaptation.metrics == {}


def test_an_adaptation_does_not_wait_for_a_gpu(adapted_recipe, toy, splits):
    assert not _waits(adapted_recipe, toy, splits)
    assert not _waits(adapted_recipe, toy, splits, "bf16")


# errors


def test_a_target_of_other_classes(adapted_recipe, toy, splits):
    splits.val.classes = ClassSet("other", ("a", "b"), ((0, 0, 0), (1, 1, 1)))
    with pytest.raises(InputError, match="adapt to a data set of the classes tiny"):
        _prepare(adapted_recipe, toy, toy, splits, Path("unused"), HERE)


def test_a_target_that_is_not_there(tmp_path, adapted_recipe, toy):
    with pytest.raises(InputError, match=r"\[adaptation\] needs its data sets"):
        train(adapted_recipe, toy, toy, tmp_path)


def test_a_task_without_a_map(adapted_recipe):
    with pytest.raises(InputError, match=r"task 'detection' has no map to adapt; \[adaptation\] takes semantic"):
        AdaptedNet(torch.nn.Identity(), ("semantic", "detection"), (4,))


def test_too_many_convolutions_for_the_smallest_level(tmp_path, adapted_recipe, toy, splits):
    deep = replace(adapted_recipe.adaptation, discriminator=DiscriminatorRecipe((4,) * 5))
    with pytest.raises(InputError, match=r"32x32 \(WxH\) is too small for a discriminator, which needs 64"):
        train(replace(adapted_recipe, adaptation=deep), toy, toy, tmp_path, unlabelled=splits)
