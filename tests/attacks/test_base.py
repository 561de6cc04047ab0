"""What every registered attack must keep, whatever its author wrote."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from robustbench_seg.attacks.base import Perturbation
from robustbench_seg.attacks.budgets import Budget
from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.dag import DAG
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.noise import Gaussian
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.errors import UsageError

KLINGNER = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
ROUNDING = 255 * 2**-24
"""What storing x in float32 can add to a distance, in units of 1/255."""


def grid(case, epsilons: Sequence[float]) -> Sequence[float]:
    return [math.inf] if case.norm == "none" else list(epsilons)


def grey(x: Tensor, images: Tensor) -> Tensor:
    return (x.double() - images.double()) * 255


def rms(x: Tensor, images: Tensor) -> Tensor:
    return grey(x, images).square().mean((1, 2, 3)).sqrt()


def void_out(world, image: int) -> None:
    world.labels["semantic"][image] = 255
    world.labels["depth"][image] = 0


# epsilon = 0, void, budget, range


def test_epsilon_zero_is_the_identity(case, world):
    attack = case.attack()
    epsilons = [*grid(case, [2.0]), 0.0]
    results = dict(attack.perturb(world.context(attack, case.objective), epsilons, case.norm))
    assert torch.equal(results[0.0], world.images)
    assert results[0.0].data_ptr() != world.images.data_ptr()
    assert not torch.equal(results[epsilons[0]], world.images)


def test_an_image_of_void_alone_comes_back_unchanged(label_case, world):
    void_out(world, 1)
    for epsilon in grid(label_case, [0.25, 4.0]):
        x = world.attacked(label_case, epsilon)
        assert torch.equal(x[1], world.images[1])
        assert not torch.equal(x[0], world.images[0])
        assert not torch.equal(x[2], world.images[2])


def test_a_batch_of_void_alone_comes_back_unchanged(label_case, world):
    for image in range(3):
        void_out(world, image)
    assert torch.equal(world.attacked(label_case, grid(label_case, [4.0])[0]), world.images)


def test_void_pixels_leave_loss_and_gradient(label_case, world):
    key = label_case.objective
    void = world.labels[key] == {"semantic": 255, "depth": 0}[key]
    adversarial_loss = world.adversarial_loss(label_case.attack(), key)
    output = world.target_model.outputs(world.images)[key].requires_grad_(True)
    loss = adversarial_loss.loss({key: output})
    (gradient,) = torch.autograd.grad(loss.sum(), output)
    where = void if key == "depth" else void[:, None].expand_as(output)
    assert gradient[where].count_nonzero() == 0
    assert gradient[~where].count_nonzero() > 0
    scribbled = torch.where(where, 37.0 - 11 * output, output)
    assert torch.equal(adversarial_loss.loss({key: scribbled}), loss)


def test_results_stay_in_the_ball_and_the_range(bounded_case, world):
    attack = bounded_case.attack()
    context = world.context(attack, bounded_case.objective)
    for epsilon, x in attack.perturb(context, KLINGNER, bounded_case.norm):
        assert x.dtype == torch.float32
        assert x.min() >= 0
        assert x.max() <= 1
        if bounded_case.norm == "linf":
            assert grey(x, world.images).abs().max() <= epsilon * (1 + 1e-5) + ROUNDING
        else:
            torch.testing.assert_close(rms(x, world.images), torch.full((3,), epsilon).double(), rtol=0.01, atol=0)


class Careless(Perturbation):
    """Moves everything, far and out of range."""

    def run(self, context: AttackContext, budget: Budget) -> Tensor:
        return context.images + torch.linspace(-1, 1, context.images.numel()).view_as(context.images)


def test_the_base_enforces_what_an_author_forgets(world):
    void_out(world, 1)
    context = world.context(FGSM(), "semantic")
    linf = Careless()(context, 3.0, "linf")
    assert grey(linf, world.images).abs().max() <= 3 * (1 + 1e-5)
    sphere = Careless()(context, 3.0, "rms")
    torch.testing.assert_close(rms(sphere, world.images), torch.tensor([3.0, 0, 3.0]).double(), rtol=1e-4, atol=0)
    for x in (linf, sphere):
        assert torch.equal(x[1], world.images[1])
        assert x.min() >= 0
        assert x.max() <= 1


def test_a_result_of_another_shape_is_refused(world):
    class Cropped(Perturbation):
        def run(self, context: AttackContext, budget: Budget) -> Tensor:
            return context.images[..., 1:]

    with pytest.raises(ValueError, match=r"\(3, 3, 16, 23\)"):
        Cropped()(world.context(FGSM(), "semantic"), 1.0)


# the model


def state(net: torch.nn.Module) -> dict[str, object]:
    return {
        "modes": {name: module.training for name, module in net.named_modules()},
        "flags": {name: p.requires_grad for name, p in net.named_parameters()},
        "gradients": {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()},
        "tensors": {name: tensor.clone() for name, tensor in net.state_dict().items()},
        "hooks": [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in net.modules()],
        "random": torch.get_rng_state(),
    }


def assert_same_state(net: torch.nn.Module, before: dict[str, object]) -> None:
    torch.testing.assert_close(state(net), before, rtol=0, atol=0)


def unsettle(net) -> None:
    """A state in which nothing is at its default: mixed modes, frozen parts, gradients held."""
    net.train()
    net.norm.eval()
    net.first.weight.requires_grad_(False)
    net.last.bias.grad = torch.ones_like(net.last.bias)


def test_the_model_is_left_as_it_was_found(case, world):
    calm = {epsilon: world.attacked(case, epsilon) for epsilon in grid(case, [1.0, 4.0])}
    unsettle(world.net)
    before = state(world.net)
    attack = case.attack()
    context = world.context(attack, case.objective)
    for epsilon, x in attack.perturb(context, list(calm), case.norm):
        assert_same_state(world.net, before)
        assert torch.equal(calm[epsilon], x), "attacked in evaluation mode, whatever the mode it was found in"
    assert_same_state(world.net, before)


def test_the_model_is_left_as_it_was_found_by_an_exception(running_case, world):
    attack = running_case.attack()
    context = world.context(attack, running_case.objective)
    unsettle(world.net)
    before = state(world.net)

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    handle = world.net.last.register_forward_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        list(attack.perturb(context, grid(running_case, [2.0]), running_case.norm))
    handle.remove()
    assert_same_state(world.net, before)


def test_the_model_is_left_as_it_was_found_by_a_caller_who_stops_early(gradient_case, world):
    attack = gradient_case.attack()
    context = world.context(attack, gradient_case.objective)
    unsettle(world.net)
    before = state(world.net)
    results = attack.perturb(context, grid(gradient_case, KLINGNER), gradient_case.norm)
    next(results)
    assert_same_state(world.net, before)
    results.close()
    assert_same_state(world.net, before)


def test_an_attack_that_draws_random_numbers_leaves_the_random_state(world):
    class Noisy(Perturbation):
        def run(self, context: AttackContext, budget: Budget) -> Tensor:
            return context.images + torch.rand_like(context.images)

    before = torch.get_rng_state()
    Noisy()(world.context(FGSM(), "semantic"), 2.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_images_and_labels_are_not_written_to(case, world):
    images, labels = world.images.clone(), copy.deepcopy(dict(world.labels))
    world.attacked(case, grid(case, [4.0])[0])
    assert torch.equal(world.images, images)
    assert all(torch.equal(world.labels[key], labels[key]) for key in labels)


# determinism


def test_the_same_seed_gives_the_same_bits(case, world):
    epsilon = grid(case, [3.0])[0]
    first = world.attacked(case, epsilon)
    torch.rand(7)
    assert torch.equal(world.attacked(case, epsilon), first)


@pytest.mark.parametrize("order", [[0], [2, 0, 1], [5, 4, 3, 2, 1, 0, 7, 6]], ids=["one", "three", "eight"])
def test_an_image_is_perturbed_alike_in_every_batch(case, worlds, order):
    whole = worlds(8)
    epsilon = grid(case, [4.0])[0]
    together, parted = whole.attacked(case, epsilon)[order], whole.part(order).attacked(case, epsilon)
    if case.objective is None:
        assert torch.equal(parted, together)
    else:  # where a gradient is 0 but for rounding its sign may differ
        assert ((parted - together).abs() > 1e-5).float().mean() < 0.002


def test_another_seed_and_another_id_give_other_noise(random_case, world):
    first = world.attacked(random_case, 2.0)
    world.seed = 1
    assert not torch.equal(world.attacked(random_case, 2.0), first)
    world.seed, world.ids = 0, ["another", *world.ids[1:]]
    other = world.attacked(random_case, 2.0)
    assert not torch.equal(other[0], first[0])
    assert torch.equal(other[1:], first[1:])


def test_noise_is_the_same_for_every_model(noise_case, world):
    attack = noise_case.attack()
    with_model = AttackContext(world.images, world.ids, target_model=world.target_model)
    assert torch.equal(attack(with_model, 2.0), world.attacked(noise_case, 2.0))


# losses


def test_all_this_holds_with_any_loss(loss_case, worlds):
    """At epsilon 0, for an image of void alone, of the model's state, and in a batch of one."""
    world = worlds(2)
    void_out(world, 1)
    attack = loss_case.attack()
    context = world.context(attack, loss_case.objective)
    unsettle(world.net)
    before, random = state(world.net), torch.get_rng_state()
    results = dict(attack.perturb(context, [0.0, 4.0], loss_case.norm))
    assert torch.equal(torch.get_rng_state(), random)
    assert_same_state(world.net, before)
    assert torch.equal(results[0.0], world.images)
    assert context.attackable.tolist() == [True, not loss_case.uses_labels]
    for image, x, is_attackable in zip(world.images, results[4.0], context.attackable, strict=True):
        assert torch.equal(image, x) != is_attackable
    alone = world.part([0]).attacked(loss_case, 4.0)
    assert ((alone[0] - results[4.0][0]).abs() > 1e-5).float().mean() < 0.002


# sharing work over the grid


@pytest.mark.parametrize(
    "epsilons",
    [pytest.param(KLINGNER, id="rising", marks=pytest.mark.slow), pytest.param((4.0, 0.25, 1.0), id="mixed")],
)
def test_a_grid_gives_what_each_epsilon_alone_gives(bounded_case, world, epsilons):
    attack = bounded_case.attack()
    shared = dict(attack.perturb(world.context(attack, bounded_case.objective), epsilons, bounded_case.norm))
    assert set(shared) == set(epsilons)
    for epsilon, x in shared.items():
        assert torch.equal(world.attacked(bounded_case, epsilon), x)


def test_the_number_of_gradients_is_foretold(gradient_case, world):
    attack = gradient_case.attack()
    epsilons = grid(gradient_case, KLINGNER)
    context = world.context(attack, gradient_case.objective)
    list(attack.perturb(context, epsilons, gradient_case.norm))
    told = attack.num_gradients(epsilons) * len(world.images)
    assert min(1, told) <= world.target_model.cost.backwards <= told
    if gradient_case.name != "dag":  # DAG stops early
        assert world.target_model.cost.backwards == told


def test_noise_uses_no_gradient(noise_case):
    assert noise_case.attack().num_gradients(KLINGNER) == 0


def test_epsilon_zero_costs_nothing(gradient_case, world):
    attack = gradient_case.attack()
    context = world.context(attack, gradient_case.objective)
    forwards = world.target_model.cost.forwards
    list(attack.perturb(context, [0.0], gradient_case.norm))
    assert world.target_model.cost.forwards == forwards
    assert attack.num_gradients([0.0]) == 0


# usage errors


@pytest.mark.parametrize(
    ("attack", "epsilons", "norm", "message"),
    [
        (FGSM(), [1.0], "l2", "norm 'l2' is not one of FGSM's: linf, rms"),
        (FGSM(), [1.0], "none", "norm 'none' is not one of FGSM's"),
        (Gaussian(), [1.0], "linf", "norm 'linf' is not one of Gaussian's: rms"),
        (FGSM(), [-1.0], "linf", "epsilon -1.0 must be"),
        (FGSM(), [1.0, math.nan], "linf", "epsilon nan must be"),
        (PGD(), [math.inf], "rms", "epsilon inf must be"),
        (DAG(), [math.inf], "linf", "epsilon inf must be"),
        (DAG(), [4.0], "none", "epsilon 4.0 has no meaning in norm 'none'"),
    ],
)
def test_a_wrong_norm_or_epsilon_is_refused_in_one_line(world, attack, epsilons, norm, message):
    with pytest.raises(UsageError, match=message) as caught:
        list(attack.perturb(world.context(FGSM(), "semantic"), epsilons, norm))
    assert "\n" not in str(caught.value)


def test_without_a_norm_the_first_that_fits_the_epsilon_is_used(world):
    context = world.context(DAG(steps=20), "semantic")
    assert grey(DAG(steps=20)(context, 2.0), world.images).abs().max() <= 2 * (1 + 1e-5) + ROUNDING
    assert grey(DAG(steps=20)(context, math.inf), world.images).abs().max() > 4


def test_an_attack_of_ones_own_needs_one_method(world):
    @dataclass(frozen=True)
    class Fade(Perturbation):
        strength: float = 1.0

        def run(self, context: AttackContext, budget: Budget) -> Tensor:
            return context.images + (0.5 - context.images).sign() * self.strength * budget.epsilon / 255

    ((epsilon, x),) = Fade(0.5).perturb(world.context(FGSM(), "semantic"), [2.0])
    assert epsilon == 2.0
    largest = grey(x, world.images).abs().amax((1, 2, 3))
    torch.testing.assert_close(largest, torch.ones(3).double(), rtol=0, atol=ROUNDING)
