"""A GPU gives what the CPU gives, up to rounding, and the same again when it is asked again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.attacks.registry import make_attack
from robustbench_seg.models.folding import close
from robustbench_seg.protocol import AttackPlan, Protocol
from robustbench_seg.tasks.registry import TASKS, load_tasks
from robustbench_seg.transfer import fetch
from tests.tasks.made import LABELS, OUTPUTS

NORMS = ("linf", "rms")
SMALL = Protocol(
    "small",
    (
        AttackPlan("gaussian", (4.0,)),
        AttackPlan("salt_and_pepper", (4.0,)),
        *(AttackPlan("fgsm", (1.0, 4.0), norm) for norm in NORMS),
        *(AttackPlan("pgd", (1.0, 4.0), norm, params={"steps": 5}) for norm in NORMS),
    ),
)
APART = {"cpu": 0.0, "cuda": 0.02}
"""How far a gradient cell's Q may be from the CPU's: signs differ where gradients are nearly zero."""
NOISE_APART = {"cpu": 0.0, "cuda": 2e-3}


def cells(run):
    table = run.summary
    assert set(table["status"]) == {"ok"}
    return table.set_index(["attack", "objective", "norm", "epsilon", "task", "metric"])


def test_outputs_and_gradients(inside, device):
    ours, theirs = inside(device), inside("cpu")
    target_model, batch = ours.context.target_model, ours.batch
    assert torch.equal(batch.images.cpu(), theirs.batch.images)
    outputs = theirs.context.target_model.outputs(theirs.batch.images)
    assert close(dict(outputs), fetch(dict(target_model.outputs(batch.images))))
    gradient = ours.context.gradient(batch).cpu()
    assert gradient.count_nonzero()
    assert F.cosine_similarity(gradient.flatten(1), theirs.context.gradient(theirs.batch).flatten(1)).min() > 0.999


@pytest.mark.parametrize("norm", NORMS)
def test_perturbed_images_keep_the_budget_and_hardly_differ(inside, device, norm):
    attack, epsilon = PGD(steps=3), 4.0
    found = {}
    for where in (device, "cpu"):
        seen = inside(where)
        (objective,) = attack.objectives(["semantic"], seen.context.tasks)
        loss = attack.adversarial_loss(objective, seen.reference)
        found[where] = attack(seen.context.under_attack(seen.batch, loss), epsilon, norm).cpu()
        change = 255 * (found[where] - seen.batch.images.cpu()).double()
        size = change.abs().amax((1, 2, 3)) if norm == "linf" else change.square().mean((1, 2, 3)).sqrt()
        # Void images stay as they are.
        assert torch.allclose(size[size > 0], torch.tensor(epsilon, dtype=torch.double), atol=1e-3)
    differing = (found[device] - found["cpu"]).abs() > 0.1 / 255
    assert differing.double().mean() < 0.05


@pytest.mark.parametrize("name", ["torchattacks:VMIFGSM", "torchattacks:TIFGSM", "torchattacks:PGDL2"])
def test_attacks_of_libraries_draw_the_same_again(inside, device, name):
    seen, attack, epsilon = inside(device), make_attack(name, {"steps": 2}), 4.0
    (objective,) = attack.objectives(["semantic"], seen.context.tasks)
    loss = attack.adversarial_loss(objective, seen.reference)
    states = [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device != "cpu" else [])]
    once, again = (attack(seen.context.under_attack(seen.batch, loss), epsilon) for _ in range(2))
    assert torch.equal(once, again)
    assert once.device.type == torch.device(device).type
    after = [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device != "cpu" else [])]
    assert all(torch.equal(state, kept) for state, kept in zip(after, states, strict=True))
    assert once.ne(seen.batch.images).any()


@pytest.mark.slow
def test_a_whole_evaluation(evaluated, device):
    ours, theirs = cells(evaluated(SMALL, device, "ours")), cells(evaluated(SMALL, "cpu", "theirs"))
    assert ours.index.equals(theirs.index)
    q = ours["ratio"] - theirs["ratio"]
    is_noise = ours.index.get_level_values("attack").isin(["gaussian", "salt_and_pepper"])
    assert q[is_noise].abs().max() <= NOISE_APART[device]
    assert q[~is_noise].abs().max() <= APART[device]
    clean = ours.index.get_level_values("attack") == "clean"
    np.testing.assert_allclose(ours["value"][clean], theirs["value"][clean], rtol=NOISE_APART[device])


@pytest.mark.slow
def test_the_same_again(evaluated, device):
    first, second = (cells(evaluated(SMALL, device, folder)) for folder in ("first", "second"))
    without_gradient = first.index.get_level_values("attack").isin(["clean", "gaussian", "salt_and_pepper"])
    assert first["value"][without_gradient].equals(second["value"][without_gradient])
    np.testing.assert_allclose(first["ratio"], second["ratio"], atol=APART[device])


@pytest.mark.parametrize("name", list(TASKS))
def test_statistics_of_equal_outputs(device, name):
    (task,) = load_tasks([name]).values()
    here = task.statistics(OUTPUTS, LABELS, 4)
    there = task.statistics(_on(OUTPUTS, device), _on(LABELS, device), 4)
    for a, b in zip(here, there, strict=True):
        assert a.keys() == b.keys()
        for key in a:
            np.testing.assert_allclose(b[key], a[key], rtol=1e-5, atol=1e-6, err_msg=key)


def _on(value, device):
    """A value and all tensors in it on the device."""
    if hasattr(value, "to"):
        return value.to(device)
    if dataclasses.is_dataclass(value):
        parts = {field.name: _on(getattr(value, field.name), device) for field in dataclasses.fields(value)}
        return dataclasses.replace(value, **parts)
    if isinstance(value, Mapping):
        return {key: _on(part, device) for key, part in value.items()}
    return type(value)(_on(part, device) for part in value) if isinstance(value, (list, tuple)) else value
