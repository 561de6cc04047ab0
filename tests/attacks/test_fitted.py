"""The seam of attacks that are fitted before they are run, with one that is not the shipped one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from robustbench_seg.attacks.budgets import BUDGETS
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.fitted import Fitted
from robustbench_seg.errors import UsageError


@dataclass(frozen=True)
class TowardsMean(Fitted):
    """Moves every image towards the mean of the training images; uses no gradient."""

    default_objectives = ()

    def fit(self, batches):
        images = torch.cat([context.images for context, _ in batches])
        return {"mean": images.mean(0, keepdim=True)}

    def apply(self, context, budget, fitted):
        return context.images + budget.step(fitted["mean"] - context.images, budget.epsilon)


def context_of(images):
    return AttackContext(images, [str(i) for i in range(len(images))])


@pytest.fixture
def images():
    return torch.rand(5, 3, 6, 8, generator=torch.Generator().manual_seed(0))


def test_it_is_run_with_what_was_fitted(images):
    training, attacked = images[:3], images[3:]
    batches = [(context_of(part), BUDGETS["linf"](part, 4.0)) for part in (training[:1], training[1:])]
    attack = TowardsMean()
    x = attack.bound({4.0: attack.fit(batches)})(context_of(attacked), 4.0)
    expected = attacked + (training.mean(0) - attacked).sign() * 4 / 255
    torch.testing.assert_close(x, expected, rtol=0, atol=1e-6)


def test_each_epsilon_has_its_own_fit(images):
    attack = TowardsMean().bound({1.0: {"mean": torch.ones(1, 3, 6, 8)}, 4.0: {"mean": torch.zeros(1, 3, 6, 8)}})
    found = dict(attack.perturb(context_of(images), [0.0, 1.0, 4.0]))
    assert torch.equal(found[0.0], images)
    assert (found[1.0] >= images).all()
    assert (found[4.0] <= images).all()
    with pytest.raises(UsageError, match="TowardsMean is fitted on the train split of a data set; use evaluate"):
        attack(context_of(images), 2.0)


def test_binding_makes_a_copy_with_the_same_parameters(images):
    attack = TowardsMean(images=3)
    bound = attack.bound({1.0: {"mean": torch.ones(1, 3, 6, 8)}})
    assert bound == attack
    with pytest.raises(UsageError, match="is fitted"):
        attack(context_of(images), 1.0)


def test_it_needs_an_image():
    with pytest.raises(UsageError, match="images 0 must be >= 1"):
        TowardsMean(images=0)
