from dataclasses import dataclass

import pytest

from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.evaluation.attack import ConfiguredAttack
from robustbench_seg.results.keys import CLEAN, AttackConfiguration
from robustbench_seg.tasks.registry import load_tasks

TASKS = load_tasks(["semantic", "depth"])


def made(attack, objective="", epsilons=(1.0, 4.0), **params):
    return ConfiguredAttack(AttackConfiguration(attack, objective, "linf", epsilons, params), TASKS)


def test_attacks_of_one_objective_share_its_loss_and_equal_cells():
    fgsm, pgd, depth = made("fgsm", "semantic"), made("pgd", "semantic", steps=0, alpha=1), made("pgd", "depth")
    assert fgsm.loss_key == pgd.loss_key != depth.loss_key
    assert fgsm.cell_key(1.0) != fgsm.cell_key(4.0)
    assert fgsm.cell_key(0.25) == pgd.cell_key(0.25) is not None, "one step of PGD that reaches the ball is FGSM"
    assert pgd.cell_key(4.0) is None


@dataclass(frozen=True)
class Own(PGD):
    def adversarial_loss(self, objective, reference):
        return objective.adversarial_loss(reference)


def test_attacks_share_the_losses_that_they_choose_alike():
    assert made("cospgd", "semantic").loss_key == made("apgd", "semantic", loss="cosine").loss_key
    assert made("cospgd", "semantic").loss_key != made("pgd", "semantic").loss_key
    assert made("pgd", "semantic", scale_free=False).loss_key != made("pgd", "semantic").loss_key


def test_an_attack_with_a_loss_of_its_own_shares_it_with_its_equals_alone(monkeypatch):
    known = ATTACKS.get
    monkeypatch.setattr(ATTACKS, "get", lambda name: Own if name == "own" else known(name))
    assert made("own", "semantic").loss_key != made("pgd", "semantic").loss_key
    assert made("own", "semantic", steps=3).loss_key != made("own", "semantic", steps=4).loss_key
    assert made("own", "semantic", steps=3).loss_key == made("own", "semantic", steps=3).loss_key


@pytest.mark.parametrize(
    ("attack", "starts"),
    [
        (made("fgsm", "semantic"), True),
        (made("pgd", "semantic", random_start=True), False),
        (made("fgsm", "semantic", epsilons=(0.0,)), False),
        (made("gaussian"), False),
        (made(CLEAN, epsilons=(0.0,)), False),
    ],
)
def test_what_starts_at_the_clean_images(attack, starts):
    assert attack.uses_clean_gradient is starts


def test_clean_images_and_noise_take_no_gradient():
    for attack in (made("gaussian"), made(CLEAN, epsilons=(0.0,))):
        assert (attack.num_gradients, attack.num_forwards) == (0, 0)
        assert attack.adversarial_loss(None) is None
    assert made("dag", "semantic", epsilons=(None,)).sizes == [float("inf")]


def test_every_batch_has_a_perturbation_of_its_own():
    attack = made("pgd", "semantic", steps=3)
    assert attack.perturbation() == PGD(steps=3)
    assert attack.perturbation() is not attack.perturbation()
