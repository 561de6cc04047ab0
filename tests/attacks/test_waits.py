"""No attack makes the host wait for the device in its steps: it does so once, where it hands over a result."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from robustbench_seg.attacks import budgets
from robustbench_seg.attacks.budgets import BUDGETS
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.corruptions.base import Corruption
from robustbench_seg.attacks.fitted import Fitted
from robustbench_seg.attacks.objectives.fitted import FittedObjective
from robustbench_seg.attacks.objectives.parse import parse_objective
from robustbench_seg.attacks.objectives.registry import OBJECTIVES
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.attacks.registry import ATTACKS
from tests.attacks.conftest import TinyNet, World
from tests.pretended import DEVICE, pretended_gpu
from tests.waits import waits

EPSILON = 4.0
HANDED_OVER = "attacks/expectations.py"
"""Where an attack's result is handed over, what had to hold on the way is looked at."""
EXAMPLES = {
    "task": "depth",
    "loss": "loss:seg",
    "group": "group:all",
    "hide": "hide:person@depth",
    "static": "static:semantic",
    "swap": "swap:person,car@semantic",
}
"""An objective of each kind."""
OTHERS = {
    "alma": "adv-lib's function asks after each step, and takes one image at a time",
    **{name: "made on the CPU" for name in ATTACKS if issubclass(ATTACKS.get(name), Corruption)},
}
"""Attacks whose loops are not ours, or that work on the host."""


def runnable(world, case, steps=3):
    """The attack of a case with so many steps, fitted in that world where it is one that is."""
    plain = ATTACKS.get(case.name)(**({"loss": case.loss} if case.loss else {}))
    name = next((name for name in ("steps", "queries") if hasattr(plain, name)), None)
    attack = plain if name is None else replace(plain, **{name: steps})
    if not isinstance(attack, Fitted):
        return attack
    context = world.context(attack, case.objective)
    return attack.bound({EPSILON: attack.fit([(context, BUDGETS[case.norm](world.images, EPSILON))])})


@contextmanager
def on_a_gpu(world):
    """The world on a pretended GPU."""
    with pretended_gpu() as put:
        with torch.device(DEVICE):
            net = TinyNet().eval()
        yield World(net, put(world.images), put(world.labels), world.ids)


def pursued(world, text):
    """A context in which an objective, fitted where it is one that is, is pursued."""
    reference = world.reference()
    (objective,) = parse_objective(text, reference.tasks)
    if isinstance(objective, FittedObjective):
        objective = objective.bound(objective.fit(reference))
    loss = objective.adversarial_loss(reference)
    return AttackContext(world.images, world.ids, target_model=world.target_model, adversarial_loss=loss)


def size(case):
    """The epsilon of the case."""
    return EPSILON if case.norm != "none" else float("inf")


def counted(world, case, steps=3):
    """What waits in the attack of a case, its fit included; the clean outputs and what is made of them are there."""
    context = world.context(runnable(world, case), case.objective)
    with waits() as found:
        runnable(world, case, steps)(context, size(case), case.norm)
    return found


@pytest.fixture(autouse=True)
def _ours(request):
    """Leave out what is not ours."""
    case = next((request.getfixturevalue(name) for name in ("case", "loss_case") if name in request.fixturenames), None)
    if case is not None and case.name in OTHERS:
        pytest.skip(OTHERS[case.name])


def test_an_attack_waits_once(worlds, case):
    few = counted(worlds(2), case)
    assert [wait.line.partition(":")[0] for wait in few] == [HANDED_OVER] * len(few)
    assert len({wait.line for wait in few}) <= 1
    assert few == counted(worlds(5), case) == counted(worlds(2), case, 6), "neither images nor steps make a difference"


def test_no_loss_of_an_attack_waits(worlds, loss_case):
    found = counted(worlds(2), loss_case)
    assert {wait.line.partition(":")[0] for wait in found} == {HANDED_OVER}


@pytest.mark.parametrize("kind", list(OBJECTIVES))
def test_no_objective_waits(worlds, kind):
    context = pursued(worlds(2), EXAMPLES[kind])
    with waits() as found:
        PGD(steps=3)(context, EPSILON)
    assert {wait.line.partition(":")[0] for wait in found} == {HANDED_OVER}


@pytest.mark.parametrize("kind", list(OBJECTIVES))
def test_an_objective_on_a_gpu_that_is_not_there(worlds, kind):
    with on_a_gpu(worlds(2)) as there:
        assert PGD(steps=2)(pursued(there, EXAMPLES[kind]), EPSILON).device.type == DEVICE


@pytest.mark.slow
def test_an_attack_on_a_gpu_that_is_not_there(worlds, case, monkeypatch):
    """Everything it works with is on the device, and nothing leaves it on the way."""
    monkeypatch.setattr(budgets, "MOST_PASSES", 2)
    with on_a_gpu(worlds(2)) as there:
        attack = runnable(there, case, steps=2)
        assert attack(there.context(attack, case.objective), size(case), case.norm).device.type == DEVICE


def test_a_corruption_comes_back_to_a_gpu_that_is_not_there(worlds):
    @dataclass(frozen=True)
    class Plain(Corruption):
        levels: ClassVar = (0, 0, 0)

        def corrupt(self, image, level, draw):
            assert image.device.type == "cpu"
            return image

    with on_a_gpu(worlds(2)) as there:
        assert Plain()(there.context(Plain(), None), float("inf")).device.type == DEVICE
