from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from robustbench_seg.attacks.dag import DAG
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.objectives.base import AdversarialLoss, CleanReference
from robustbench_seg.attacks.objectives.hide import Hide, fill_from_nearest, nearest_on_device
from robustbench_seg.attacks.objectives.margins import AnyWrong, margin_loss
from robustbench_seg.attacks.objectives.parse import parse_objective
from robustbench_seg.attacks.objectives.swap import Swap
from robustbench_seg.attacks.objectives.task_loss import TaskLoss
from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.errors import UsageError
from robustbench_seg.randomness import generator
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.semantic import Semantic
from tests.waits import waits

TASKS = {"semantic": Semantic(), "depth": Depth()}
PERSON = CITYSCAPES19.find("person")


def streams(purpose: str):
    return [generator(0, f"image {i}", purpose) for i in range(2)]


def reference(outputs, labels=None, depth_align: str = "none") -> CleanReference:
    return CleanReference(outputs, labels or {}, TASKS, CITYSCAPES19, depth_align, streams)


def logits_of(prediction: Tensor) -> Tensor:
    return 5.0 * F.one_hot(prediction, len(CITYSCAPES19)).permute(0, 3, 1, 2)


@pytest.fixture
def generator_0():
    return torch.Generator().manual_seed(0)


# names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("semantic", ["semantic"]),
        ("depth", ["depth"]),
        ("hide:person", ["hide:person@semantic", "hide:person@depth"]),
        ("hide:person@depth", ["hide:person@depth"]),
        ("hide:traffic light@semantic", ["hide:traffic light@semantic"]),
        ("swap:person,car", ["swap:person,car@semantic"]),
        ("swap:person , car@semantic", ["swap:person,car@semantic"]),
    ],
)
def test_names(text, names):
    found = parse_objective(text, TASKS)
    assert [objective.name for objective in found] == names
    # A name is what its objective is found by again.
    assert [again.name for name in names for again in parse_objective(name, TASKS)] == names


def test_a_model_without_the_task_has_no_such_objective():
    only_depth = {"depth": TASKS["depth"]}
    assert parse_objective("semantic", only_depth) == []
    assert parse_objective("swap:person,car", only_depth) == []
    assert [objective.needs for objective in parse_objective("hide:person", only_depth)] == [("semantic", "depth")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("swap:car,car", "names one class twice"),
        ("semantc", "did you mean semantic"),
        ("hide:", "it needs a class"),
        ("lose:person", "unknown kind 'lose:'; known: group, hide, loss, static, swap"),
        ("hide:person@instance", "it works on semantic, .*depth.*, not 'instance'"),
        ("swap:person,car@depth", "it works on semantic, detection, not 'depth'"),
        ("swap:person", "'swap:person': it needs two classes"),
        ("swap:,car", "'swap:,car': it needs two classes"),
        ("swap:person,", "'swap:person,': it needs two classes"),
    ],
)
def test_a_malformed_name_is_refused_in_one_line(text, message):
    with pytest.raises(UsageError, match=message) as caught:
        parse_objective(text, TASKS)
    assert "\n" not in str(caught.value)


def test_each_task_is_one_run_a_task():
    assert [objective.name for objective in PGD().objectives(None, TASKS)] == ["semantic", "depth"]
    assert [objective.name for objective in PGD().objectives(["depth"], TASKS)] == ["depth"]


def test_classes_that_a_data_set_lacks_are_named():
    assert Hide("pedestrian", TASKS["semantic"]).missing_classes(CITYSCAPES19) == []
    assert Hide("zebra", TASKS["semantic"]).missing_classes(CITYSCAPES19) == ["zebra"]
    assert Swap("person", "zebra", TASKS["semantic"]).missing_classes(CITYSCAPES19) == ["zebra"]
    assert TaskLoss(TASKS["depth"]).missing_classes(CITYSCAPES19) == []


# a task's own loss


def test_a_task_loss_is_the_tasks(generator_0):
    logits = torch.randn(2, 19, 4, 5, generator=generator_0)
    labels = {"semantic": torch.randint(0, 19, (2, 4, 5), generator=generator_0)}
    labels["semantic"][1] = 255
    adversarial_loss = TaskLoss(TASKS["semantic"]).adversarial_loss(reference({"semantic": logits}, labels))
    expected = [F.cross_entropy(logits[:1], labels["semantic"][:1]), torch.zeros(())]
    torch.testing.assert_close(adversarial_loss.loss({"semantic": logits}), torch.stack(expected))
    assert adversarial_loss.attackable.tolist() == [True, False]
    assert not adversarial_loss.skips


def test_relative_depth_is_attacked_at_the_scale_of_the_clean_prediction():
    label = torch.full((1, 2, 3), 10.0)
    clean, attacked = torch.full((1, 2, 3), 2.0), torch.full((1, 2, 3), 4.0)
    adversarial_loss = TaskLoss(TASKS["depth"]).adversarial_loss(
        reference({"depth": clean}, {"depth": label}, depth_align="median")
    )
    assert adversarial_loss.loss({"depth": clean}).item() == pytest.approx(0)
    assert adversarial_loss.loss({"depth": attacked}).item() == pytest.approx(10), "4 units are 20 m at the clean scale"


# hiding


def brute_force_nearest(mask: Tensor) -> dict[tuple[int, int], set[tuple[int, int]]]:
    """Each masked pixel's nearest unmasked ones; ties all count."""
    cells = list(itertools.product(*map(range, mask.shape)))
    free = [cell for cell in cells if not mask[cell]]
    found = {}
    for cell in cells:
        if mask[cell]:
            distances = [(cell[0] - y) ** 2 + (cell[1] - x) ** 2 for y, x in free]
            found[cell] = {at for at, d in zip(free, distances, strict=True) if d == min(distances)}
    return found


def filled_on_a_gpu(values, mask):
    with waits() as found:
        filled = fill_from_nearest(values, mask)
    assert not found
    return filled


FILLS = [fill_from_nearest, filled_on_a_gpu]


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("density", [0.1, 0.6, 0.95])
def test_hidden_pixels_take_the_value_of_the_nearest_other_pixel(generator_0, density, fill, monkeypatch):
    monkeypatch.setattr("robustbench_seg.attacks.objectives.hide.STRIP", 600)  # two rows at a time, and one at last
    values = torch.arange(2 * 9 * 11).view(2, 9, 11)  # every pixel has a value of its own
    mask = torch.rand(2, 9, 11, generator=generator_0) < density
    filled = fill(values, mask)
    assert torch.equal(filled[~mask], values[~mask])
    for i in range(2):
        for cell, nearest in brute_force_nearest(mask[i]).items():
            assert filled[i][cell].item() in {values[i][at].item() for at in nearest}


@pytest.mark.parametrize("fill", FILLS)
def test_an_image_that_is_nothing_else_is_not_filled(fill):
    values = torch.arange(12).view(1, 3, 4)
    for mask in (torch.ones(1, 3, 4, dtype=torch.bool), torch.zeros(1, 3, 4, dtype=torch.bool)):
        assert torch.equal(fill(values, mask), values)


@pytest.mark.parametrize("shape", [(3, 40, 70), (3, 70, 40)])
def test_a_gpu_finds_pixels_as_near_as_scipys(generator_0, shape):
    mask = torch.rand(shape, generator=generator_0) < 0.97
    mask[1, :, :30] = True
    height, width = shape[1:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    found = nearest_on_device(mask).view(shape)
    distances = ((found // width - y).square() + (found % width - x).square()).double().sqrt()
    expected = torch.stack([torch.from_numpy(ndimage.distance_transform_edt(hidden)) for hidden in mask.numpy()])
    torch.testing.assert_close(distances, expected)
    assert not mask.flatten(1).gather(1, found.flatten(1)).any()


@pytest.mark.parametrize("fill", FILLS)
def test_every_channel_is_filled_from_the_same_pixel(generator_0, fill):
    mask = torch.rand(2, 9, 11, generator=generator_0) < 0.5
    plane = torch.arange(99.0).view(9, 11).expand(2, 9, 11)
    filled = fill(torch.stack([plane, -2 * plane], 1), mask)
    assert torch.equal(filled[:, 0], fill(plane, mask))
    assert torch.equal(filled[:, 1], -2 * filled[:, 0])


@pytest.fixture
def street(generator_0):
    """Outputs of two images: in the first a person, in the second none."""
    prediction = torch.randint(0, 9, (2, 7, 8), generator=generator_0)
    prediction[0, 2:5, 3:6] = PERSON
    depth = 5 + 20 * torch.rand(2, 7, 8, generator=generator_0)
    return {"semantic": logits_of(prediction), "depth": depth}


def test_hiding_aims_at_the_clean_prediction_without_the_class(street):
    prediction = street["semantic"].argmax(1)
    adversarial_loss = Hide("person", TASKS["semantic"]).adversarial_loss(reference(street))
    target = fill_from_nearest(prediction, prediction == PERSON)
    expected = torch.stack([-F.cross_entropy(street["semantic"][i : i + 1], target[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(adversarial_loss.loss(street), expected)
    assert (target != PERSON).all()
    assert adversarial_loss.loss({"semantic": logits_of(target)})[0] > adversarial_loss.loss(street)[0]


def test_hiding_uses_no_labels(street):
    """Neither present nor wrong labels change its target."""
    labels = {"semantic": torch.full((2, 7, 8), 255), "depth": torch.zeros(2, 7, 8)}
    for task in TASKS.values():
        with_labels, without = (
            Hide("person", task).adversarial_loss(reference(street, truth)) for truth in (labels, {})
        )
        assert torch.equal(with_labels.loss(street), without.loss(street))
        assert torch.equal(with_labels.attackable, without.attackable)


def test_images_without_the_class_or_with_nothing_else_are_skipped(street):
    adversarial_loss = Hide("person", TASKS["semantic"]).adversarial_loss(reference(street))
    assert adversarial_loss.skips
    assert adversarial_loss.attackable.tolist() == [True, False]
    alone = {"semantic": logits_of(torch.full((1, 4, 4), PERSON))}
    assert Hide("person", TASKS["semantic"]).adversarial_loss(reference(alone)).attackable.tolist() == [False]


def test_hiding_in_depth_uses_the_indices_of_the_semantic_prediction(street):
    """The depth of the nearest pixel of another class, RMSE over the image."""
    mask = street["semantic"].argmax(1) == PERSON
    adversarial_loss = Hide("person", TASKS["depth"]).adversarial_loss(reference(street))
    shifted = {"depth": street["depth"] + 1.0}
    target = fill_from_nearest(street["depth"], mask)
    for cell, nearest in brute_force_nearest(mask[0]).items():
        assert target[0][cell] in [street["depth"][0][at] for at in nearest]
    expected = -(shifted["depth"] - target).square().mean((1, 2)).sqrt()
    torch.testing.assert_close(adversarial_loss.loss(shifted), expected)
    assert adversarial_loss.attackable.tolist() == [True, False]


def counted(adversarial_loss: AdversarialLoss, outputs: dict[str, Tensor]) -> list[list[int]]:
    """Targets, changed and reached, each by image."""
    assert adversarial_loss.outcome is not None
    counts = adversarial_loss.outcome(outputs)
    assert list(counts) == ["targets", "targets_changed", "targets_reached"]
    return [count.tolist() for count in counts.values()]


def test_hiding_counts_pixels_that_became_their_surroundings(street):
    clean = street["semantic"].argmax(1)
    hidden = clean == PERSON
    adversarial_loss = Hide("person", TASKS["semantic"]).adversarial_loss(reference(street))
    assert counted(adversarial_loss, street) == [[9, 0], [0, 0], [0, 0]]
    filled = fill_from_nearest(clean, hidden)
    assert counted(adversarial_loss, {"semantic": logits_of(filled)}) == [[9, 0], [9, 0], [9, 0]]
    elsewhere = torch.where(hidden, filled, 18 - filled)
    assert counted(adversarial_loss, {"semantic": logits_of(elsewhere)}) == [[9, 0], [9, 0], [9, 0]], "others no target"
    wrong = filled.clone()
    wrong[0, 2, 3:6] = 17
    assert counted(adversarial_loss, {"semantic": logits_of(wrong)}) == [[9, 0], [9, 0], [6, 0]]


def test_hiding_in_depth_counts_by_a_factor_of_a_quarter(street):
    depth = torch.full_like(street["depth"], 20.0)
    depth[0, 2:5, 3:6] = 10.0
    depth[0, 2, 3] = 17.0  # as far as its surroundings before: no target
    depth[0, 4, 5] = 14.0
    outputs = street | {"depth": depth}
    adversarial_loss = Hide("person", TASKS["depth"]).adversarial_loss(reference(outputs))
    assert counted(adversarial_loss, outputs) == [[8, 0], [0, 0], [0, 0]]
    now = depth.clone()
    now[0, 2, 4], now[0, 2, 5], now[0, 3, 3], now[0, 3, 4] = 12.4, 12.6, 16.1, 90.0
    now[0, 4, 5] = 16.5  # like both
    assert counted(adversarial_loss, {"depth": now}) == [[8, 0], [3, 0], [1, 0]]


def test_a_task_that_does_not_say_what_is_alike_has_no_outcome(street, monkeypatch):
    monkeypatch.setattr(Depth, "alike", DenseTask.alike)
    assert Hide("person", TASKS["depth"]).adversarial_loss(reference(street)).outcome is None


# swapping and any wrong class


def test_swapping_raises_the_rival_where_it_is_one_of_the_two(street, generator_0):
    car = CITYSCAPES19.find("car")
    clean = street["semantic"].argmax(1)
    clean[:, 0, :3] = car
    outputs = {"semantic": logits_of(clean) + torch.rand(2, 19, 7, 8, generator=generator_0)}
    adversarial_loss = Swap("pedestrian", "car", TASKS["semantic"]).adversarial_loss(reference(outputs))
    expected = torch.zeros(2)
    for i, y, x in itertools.product(range(2), range(7), range(8)):
        logits = outputs["semantic"][i, :, y, x]
        if clean[i, y, x] == PERSON:
            expected[i] += logits[car] - logits[PERSON]
        elif clean[i, y, x] == car:
            expected[i] += logits[PERSON] - logits[car]
    torch.testing.assert_close(adversarial_loss.loss(outputs), expected)
    assert adversarial_loss.attackable.tolist() == [True, True]
    counts = adversarial_loss.outcome(outputs)
    assert counts["targets"].tolist() == [12, 3]
    assert counts["targets_changed"].tolist() == counts["targets_reached"].tolist() == [0, 0]
    swapped = torch.where(clean == PERSON, car, torch.where(clean == car, 7, clean))
    counts = adversarial_loss.outcome({"semantic": logits_of(swapped)})
    assert counts["targets_changed"].tolist() == [12, 3]
    assert counts["targets_reached"].tolist() == [9, 0], "a car that became anything else is changed, not reached"


def test_changed_targets_leave_the_loss(street):
    clean = street["semantic"].argmax(1)
    adversarial_loss = margin_loss(Semantic().class_logits, clean, (clean + 1) % 19, clean == PERSON)
    changed = {"semantic": logits_of(torch.where(clean == PERSON, 0, clean)).requires_grad_(True)}
    loss = adversarial_loss.loss(changed)
    (gradient,) = torch.autograd.grad(loss.sum(), changed["semantic"])
    assert loss.tolist() == [0, 0]
    assert gradient.count_nonzero() == 0


def test_any_wrong_class_but_the_label(generator_0):
    """Rivals are uniform over the other classes, and the same whatever the model predicts elsewhere."""
    label = torch.full((2, 40, 50), 4)
    label[:, 0] = 255
    outputs = {"semantic": logits_of(torch.where(label == 255, 0, label))}
    outputs["semantic"].requires_grad_(True)
    adversarial_loss = AnyWrong(TASKS["semantic"]).adversarial_loss(reference(outputs, {"semantic": label}))
    (gradient,) = torch.autograd.grad(adversarial_loss.loss(outputs).sum(), outputs["semantic"])
    assert gradient[:, :, 0].count_nonzero() == 0
    assert (gradient[:, 4, 1:] == -1).all()
    counts = (gradient == 1).sum((0, 2, 3))
    assert counts[4] == 0
    assert counts.sum() == 2 * 39 * 50
    others = torch.cat([counts[:4], counts[5:]]).double()
    assert (others - 3900 / 18).abs().max() < 5 * (3900 / 18) ** 0.5
    assert not torch.equal(gradient[0], gradient[1])


# numbers


@pytest.mark.parametrize(
    "objective",
    [
        TaskLoss(TASKS["semantic"]),
        Hide("person", TASKS["semantic"]),
        Swap("person", "car", TASKS["semantic"]),
        AnyWrong(TASKS["semantic"]),
    ],
    ids=lambda objective: type(objective).__name__,
)
@pytest.mark.parametrize("gap", [200.0, 2000.0])
def test_logit_gaps_of_hundreds_stay_finite(street, generator_0, objective, gap):
    prediction = street["semantic"].argmax(1)
    label = torch.where(torch.rand(prediction.shape, generator=generator_0) < 0.5, prediction, 0)
    outputs = {"semantic": (gap / 5 * street["semantic"]).requires_grad_(True)}
    adversarial_loss = objective.adversarial_loss(
        reference({"semantic": outputs["semantic"].detach()}, {"semantic": label})
    )
    loss = adversarial_loss.loss(outputs)
    (gradient,) = torch.autograd.grad(loss.sum(), outputs["semantic"])
    assert loss.isfinite().all()
    assert loss[0] != 0
    assert gradient.isfinite().all()
    assert gradient[0].count_nonzero() > 0


@pytest.mark.parametrize(("attack", "objective"), [(PGD(), "semantic"), (FGSM(), "semantic"), (DAG(), "semantic")])
def test_attacks_on_saturated_logits_stay_finite(worlds, attack, objective):
    world = worlds(2)
    last = world.net.last
    with torch.no_grad():
        last.weight *= 300
        last.bias *= 300
    outputs = world.target_model.outputs(world.images)["semantic"]
    assert (outputs.amax(1) - outputs.amin(1)).max() > 200
    for norm in ("linf", "rms"):
        x = attack(world.context(attack, objective), 4.0, norm)
        assert x.isfinite().all()
        assert not torch.equal(x, world.images)


def test_hiding_in_depth_does_not_depend_on_the_unit():
    depth = TASKS["depth"]
    generator = torch.Generator().manual_seed(0)
    prediction, target = (torch.rand((2, 6, 8), generator=generator) for _ in range(2))
    metres = depth.distance(prediction, target)
    assert metres == pytest.approx((prediction - target).square().mean((1, 2)).sqrt())
    assert depth.distance(1e-4 * prediction, 1e-4 * target) == pytest.approx(1e-4 * metres, rel=1e-4)
