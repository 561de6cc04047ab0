"""The names a researcher imports, and that they work on a plain module in a few lines."""

import math

import pytest
import torch
from torch import nn

import robustbench_seg
from robustbench_seg.errors import UsageError

PUBLIC = """ATTACKS DATASETS MODELS OBJECTIVES PROTOCOLS TASKS
Attacked Dataset Objective Perturbation Run Task attack evaluate load_model"""


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


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images = 0.3 + 0.4 * torch.rand(2, 3, 8, 10, generator=generator)
    return images, torch.randint(0, 2, (2, 8, 10), generator=generator)


def test_public_names():
    assert sorted(robustbench_seg.__all__) == sorted(PUBLIC.split())
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


def test_an_unknown_attack_suggests_the_nearest(batch):
    with pytest.raises(UsageError, match="pgd"):
        robustbench_seg.attack(Linear(), *batch, "pdg", epsilon=1)


def test_models_load_by_name_and_folder():
    model = robustbench_seg.load_model("street-multi")
    assert model.tasks == ("semantic", "depth")
    with pytest.raises(UsageError, match="street-multi"):
        robustbench_seg.load_model("street-mutli")
