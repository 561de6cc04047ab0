from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.attacks.context import AttackContext
from robustbench_seg.attacks.noise import Gaussian, SaltAndPepper

EPSILONS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)


def natural(generator):
    """Smooth shading, an edge, texture, a blown-out sky and a deep shadow."""
    shading = F.interpolate(torch.rand(1, 3, 6, 12, generator=generator), (96, 192), mode="bicubic")[0]
    texture = 0.08 * torch.randn(3, 96, 192, generator=generator)
    image = 0.9 * shading + texture
    image[:, :20] += 0.7
    image[:, 70:, :60] *= 0.1
    return image.clamp(0, 1)


IMAGES = {
    "random": lambda g: torch.rand(3, 96, 192, generator=g),
    "dark": lambda g: 0.02 * torch.rand(3, 96, 192, generator=g),
    "black": lambda g: torch.zeros(3, 96, 192),
    "white": lambda g: torch.ones(3, 96, 192),
    "saturated": lambda g: (torch.rand(3, 96, 192, generator=g) > 0.5).float(),
    "natural": natural,
}


def context(*images, ids=None):
    return AttackContext(torch.stack(images), ids or [f"image {i}" for i in range(len(images))])


def noise(attack, image, epsilon, name="image 0"):
    (x,) = attack(context(image, ids=[name]), epsilon)
    return x


@pytest.fixture(params=IMAGES)
def image(request):
    return IMAGES[request.param](torch.Generator().manual_seed(5))


@pytest.mark.parametrize("attack", [Gaussian(), SaltAndPepper()], ids=["gaussian", "salt_and_pepper"])
def test_the_rms_is_exact_after_clipping(attack, image):
    for epsilon, x in attack.perturb(context(image), EPSILONS):
        realised = ((x[0].double() - image.double()) * 255).square().mean().sqrt()
        assert realised == pytest.approx(epsilon, rel=1e-3)
        assert x.min() >= 0
        assert x.max() <= 1


@pytest.mark.parametrize("attack", [Gaussian(), SaltAndPepper()], ids=["gaussian", "salt_and_pepper"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (33, 65)])
def test_any_size(attack, size):
    image = torch.full((3, *size), 0.4)
    x = noise(attack, image, 4.0)
    assert ((x - image) * 255).square().mean().sqrt() == pytest.approx(4.0, rel=1e-3)


def test_gaussian_is_white_and_normal():
    image = torch.full((3, 96, 192), 0.5)
    unit = (noise(Gaussian(), image, 8.0) - image) * 255 / 8
    n = unit.numel()
    assert unit.mean().abs() < 4 / n**0.5
    assert unit.pow(3).mean().abs() < 4 * (15 / n) ** 0.5
    assert unit.pow(4).mean() == pytest.approx(3, abs=4 * (96 / n) ** 0.5)
    for neighbour in (unit[1:] * unit[:-1], unit[:, 1:] * unit[:, :-1], unit[..., 1:] * unit[..., :-1]):
        assert neighbour.mean().abs() < 4 / neighbour.numel() ** 0.5


def test_one_gaussian_draw_serves_every_epsilon():
    image = torch.full((3, 96, 192), 0.5)
    small, large = (noise(Gaussian(), image, epsilon) - image for epsilon in (1.0, 8.0))
    torch.testing.assert_close(8 * small, large, rtol=1e-4, atol=1e-5)


def test_one_gaussian_draw_serves_every_image_content():
    grey, other = (noise(Gaussian(), torch.full((3, 96, 192), level), 2.0) - level for level in (0.4, 0.6))
    torch.testing.assert_close(grey, other, rtol=1e-3, atol=1e-6)


def test_salt_and_pepper_is_whole_pixels_of_black_or_white():
    image = IMAGES["natural"](torch.Generator().manual_seed(1))
    x = noise(SaltAndPepper(), image, 16.0)
    changed = (x != image).any(0)
    extreme = torch.minimum(x[:, changed], 1 - x[:, changed]).amax(0) < 1e-5
    assert (~extreme).sum() <= 1, "the last pixel alone moves part of the way"
    salt = x[:, changed][:, extreme].mean(0).round()
    assert salt.mean() == pytest.approx(0.5, abs=4 * 0.5 / len(salt) ** 0.5)


def test_salt_and_pepper_changes_the_fraction_that_the_energy_asks_for():
    """In expectation epsilon^2 = f (E[x^2] - 255 E[x] + 255^2 / 2)."""
    image = IMAGES["random"](torch.Generator().manual_seed(1))
    grey = image.double() * 255
    energy = grey.square().mean() - 255 * grey.mean() + 255**2 / 2
    fraction = (noise(SaltAndPepper(), image, 16.0) != image).any(0).double().mean()
    assert fraction == pytest.approx(float(16**2 / energy), rel=0.1)


def test_a_larger_salt_and_pepper_contains_a_smaller_one():
    image = IMAGES["natural"](torch.Generator().manual_seed(2))
    before, steps = torch.zeros(96, 192, dtype=torch.bool), []
    for epsilon in EPSILONS:
        x = noise(SaltAndPepper(), image, epsilon)
        changed = (x - image).abs().amax(0) > 1e-6
        assert (changed | ~before).all()
        steps.append(int(changed.sum()))
        before = changed
    assert steps == sorted(steps)
    assert steps[-1] > steps[0]


def test_salt_and_pepper_spreads_over_the_image():
    image = torch.full((3, 96, 192), 0.5)
    changed = (noise(SaltAndPepper(), image, 32.0) != image).any(0).double()
    expected = changed.mean()
    quarters = F.avg_pool2d(changed[None], (48, 96))
    assert (quarters - expected).abs().max() < 4 * (expected * (1 - expected) / (48 * 96)) ** 0.5


@pytest.mark.parametrize("attack", [Gaussian(), SaltAndPepper()], ids=["gaussian", "salt_and_pepper"])
def test_images_of_one_batch_have_noise_of_their_own(attack):
    image = torch.full((3, 32, 32), 0.5)
    same, other = attack(context(image, image, ids=["a", "b"]), 8.0)
    assert not torch.equal(same, other)
    twin, again = attack(context(image, image, ids=["a", "a"]), 8.0)
    assert torch.equal(twin, again)
    assert torch.equal(twin, same)
