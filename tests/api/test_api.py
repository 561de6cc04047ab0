"""The names a researcher imports, and that they work on a plain module in a few lines."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import robustbench_seg
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.attacks.fitted import Fitted
from robustbench_seg.attacks.registry import ATTACKS
from robustbench_seg.classes import ClassSet
from robustbench_seg.errors import UsageError
from robustbench_seg.registries import REGISTRIES
from robustbench_seg.results.keys import WORST

PUBLIC = "Attacked Dataset Objective Perturbation Run Task attack evaluate load_model"
SCENE = ClassSet("scene", ("road", "person"), ((0, 0, 0), (1, 1, 1)))


class Linear(nn.Module):
    """Two classes by the sign of w·x + b at every pixel: the worst case of a budget has a closed form."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1)
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([[1.0, -2.0, 0.5], [-1.0, 2.0, -0.5]]).view(2, 3, 1, 1))
            self.conv.bias.zero_()

    def forward(self, x):
        return self.conv(x)


class Deep(nn.Module):
    """Depth alone."""

    def forward(self, x):
        return {"depth": x.sum(1) + 1}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images = 0.3 + 0.4 * torch.rand(2, 3, 8, 10, generator=generator)
    return images, torch.randint(0, 2, (2, 8, 10), generator=generator)


def test_public_names():
    assert sorted(robustbench_seg.__all__) == sorted([*map(str.upper, REGISTRIES), *PUBLIC.split()])
    assert all(hasattr(robustbench_seg, name) for name in robustbench_seg.__all__)


def test_an_attack_reaches_the_closed_form_on_a_linear_model(batch):
    images, labels = batch
    found = robustbench_seg.attack(Linear(), images, labels, "pgd", epsilon=4, norm="linf", steps=20)
    sign = torch.where(labels == 0, -1.0, 1.0)[:, None] * torch.tensor([1.0, -1.0, 1.0]).view(1, 3, 1, 1)
    torch.testing.assert_close(found.images, images + sign * 4 / 255)
    torch.testing.assert_close(found.linf, torch.full((2,), 4.0).double(), atol=1e-4, rtol=0)
    assert (found.loss > found.clean_loss).all()


def test_the_strength_is_what_was_asked_for(batch):
    images, labels = batch
    found = robustbench_seg.attack(Linear(), images, labels, "fgsm", epsilon=2, norm="rms")
    torch.testing.assert_close(found.rms, torch.full((2,), 2.0).double(), atol=1e-3, rtol=0)
    signal = (images.double() * 255).square().mean((1, 2, 3))
    torch.testing.assert_close(found.snr_db, 10 * torch.log10(signal / 4), atol=1e-2, rtol=0)


def test_noise_needs_no_labels(batch):
    found = robustbench_seg.attack(Linear(), batch[0], attack="gaussian", epsilon=3)
    torch.testing.assert_close(found.rms, torch.full((2,), 3.0).double(), atol=1e-3, rtol=0)
    assert found.loss is None
    assert found.attackable.all()


def test_void_images_stay_as_they_are(batch):
    images, labels = batch
    labels[1] = 255
    found = robustbench_seg.attack(Linear(), images, labels, "pgd", epsilon=4)
    assert found.attackable.tolist() == [True, False]
    torch.testing.assert_close(found.images[1], images[1])
    assert math.isinf(found.snr_db[1])


def test_what_a_targeted_attack_reached_is_counted(batch):
    images, labels = batch
    found = robustbench_seg.attack(Linear(), images, labels, "dag", steps=200)
    assert (found.outcome["targets_changed"] <= found.outcome["targets"]).all()
    assert found.outcome["targets_changed"].sum() > 0


TARGETED = ("dag", "hide")
WEIGHTED = ("dag", "segpgd", "cospgd")
"""Their losses fall as targets change or pixels become wrong."""


@pytest.mark.parametrize(
    "name",
    [name for name in ATTACKS if name not in (WORST, "alma") and not issubclass(ATTACKS.get(name), Fitted)],
)
def test_every_attack_works_in_its_default_form(batch, name):
    images, labels = batch
    bounded = "none" not in ATTACKS.get(name).norms
    found = robustbench_seg.attack(Linear(), images, labels, name, epsilon=4 if bounded else None, classes=SCENE)
    assert found.images.shape == images.shape
    assert found.attackable.all()
    assert (found.rms > 0).all()
    assert found.loss is None or (found.loss >= found.clean_loss).all() or name in WEIGHTED
    assert set(found.outcome) == ({"targets", "targets_changed", "targets_reached"} if name in TARGETED else set())


def test_an_attack_that_is_fitted_first_says_that_it_must_be_evaluated(batch):
    images, labels = batch
    with pytest.raises(UsageError, match="Universal is fitted on the train split of a data set; use evaluate"):
        robustbench_seg.attack(Linear(), images, labels, "universal", epsilon=4)
    with pytest.raises(UsageError, match="'static:semantic' is made of a data set's train split; use evaluate"):
        robustbench_seg.attack(Linear(), images, labels, "pgd", epsilon=4, objective="static:semantic")


def test_hiding_pursues_its_own_objective_and_needs_no_labels(batch):
    found = robustbench_seg.attack(Linear(), batch[0], None, "hide", epsilon=4, classes=SCENE)
    named = robustbench_seg.attack(
        Linear(), batch[0], None, "hide", epsilon=4, classes=SCENE, objective="hide:person@semantic"
    )
    assert torch.equal(found.images, named.images)
    persons = [Linear()(images).argmax(1).sum() for images in (batch[0], found.images)]
    assert persons[1] < persons[0]
    assert found.outcome["targets"].sum() == persons[0]
    assert persons[1] >= persons[0] - found.outcome["targets_changed"].sum()


def test_hiding_a_class_of_another_task_is_narrowed_to_it(batch):
    model = robustbench_seg.load_model("street-multi")
    images = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    own, depth = (
        robustbench_seg.attack(model, images, attack="hide", epsilon=1, task="depth", objective=objective)
        for objective in (None, "hide:person@depth")
    )
    assert torch.equal(own.images, depth.images)
    assert torch.equal(own.clean_loss, depth.clean_loss)


def test_a_swap_counts_what_it_reached(batch):
    found = robustbench_seg.attack(
        Linear(), batch[0], attack="dag", classes=SCENE, objective="swap:road,person@semantic"
    )
    assert found.outcome["targets_reached"].sum() > 0


@pytest.mark.parametrize(
    "make", [lambda x: x.int(), lambda x: x.byte(), lambda x: x.numpy(), lambda x: x.numpy().astype("u2")]
)
def test_labels_may_be_of_any_whole_type(batch, make):
    images, labels = batch
    wanted = robustbench_seg.attack(Linear(), images, labels, "fgsm", epsilon=4)
    found = robustbench_seg.attack(Linear(), images.double().numpy(), make(labels), "fgsm", epsilon=4)
    assert torch.equal(found.images, wanted.images)


WRONG = {
    "no labels": ({"labels": None}, "the attack needs labels of 'semantic'"),
    "labels of another key": ({"labels": {"depth": 1}}, "labels have 'depth', which no task of the model takes"),
    "a list of labels": ({"labels": [1]}, "labels of 'semantic' are a list; give a torch tensor or a numpy array"),
    "objects": ({"labels": np.array([None])}, "labels of 'semantic' are an array that torch does not take"),
    "labels of another shape": ({"labels": torch.zeros(2, 8, 8)}, "shape (2, 8, 8); give (2, 8, 10)"),
    "labels that are no ids": ({"labels": torch.zeros(2, 8, 10)}, "labels of 'semantic' are float32; give whole"),
    "an id too many": ({"labels": torch.full((2, 8, 10), 2)}, "have the id 2; the model has 0 to 1, void is 255"),
    "a negative id": ({"labels": torch.full((2, 8, 10), -1)}, "have the id -1"),
    "a single image": ({"images": torch.zeros(3, 8, 10)}, "images have shape (3, 8, 10); give (N,3,H,W)"),
    "bytes": ({"images": torch.zeros(2, 3, 8, 10).byte()}, "images are uint8; give floats in [0,1]"),
    "0 to 255": ({"images": torch.full((2, 3, 8, 10), 255.0)}, "images have values from 255 to 255; give RGB in [0,1]"),
    "not a number": ({"images": torch.full((2, 3, 8, 10), math.nan)}, "images have values from nan to nan"),
    "no epsilon": ({"epsilon": None}, "FGSM in norm 'linf' needs epsilon=, in units of 1/255"),
    "a class": ({"attack": FGSM}, "is neither a name nor a Perturbation"),
    "fields twice": ({"attack": FGSM(), "steps": 3}, "has its fields already; give steps to it instead"),
    "no such task": ({"model": "street-single", "task": "depth"}, "model 'street-single' has no task 'depth'"),
    "unnamed classes": ({"attack": "hide"}, "the model has no class person; give classes=, or objective= with one of"),
    "an output it lacks": (
        {"objective": "hide:person@depth", "task": "depth", "model": Deep()},
        "predicts semantic too",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_is_refused_in_one_line(batch, case):
    changes, message = WRONG[case]
    images, labels = batch
    if changes.get("task"):
        labels = None
    asked = {"model": Linear(), "images": images, "labels": labels, "attack": "fgsm", "epsilon": 4, **changes}
    with pytest.raises(UsageError) as caught:
        robustbench_seg.attack(**asked)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_attack_suggests_the_nearest(batch):
    with pytest.raises(UsageError, match="pgd"):
        robustbench_seg.attack(Linear(), *batch, "pdg", epsilon=1)


def test_models_load_by_name_and_folder():
    model = robustbench_seg.load_model("street-multi")
    assert model.tasks == ("semantic", "depth")
    with pytest.raises(UsageError, match="street-multi"):
        robustbench_seg.load_model("street-mutli")
