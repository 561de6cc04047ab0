"""The patch discriminator at the paper's width, its spectral norm, and whose gradient goes where."""

import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.errors import InputError
from robustbench_seg.training.adaptation.discriminator import PatchDiscriminator
from robustbench_seg.training.adaptation.losses import Verdict, discriminator_loss
from robustbench_seg.training.recipe import DiscriminatorRecipe

PAPER = DiscriminatorRecipe().widths


@pytest.mark.parametrize(("channels", "first"), [(16, 16_448), (1, 1_088)])
def test_parameters_at_the_papers_width(channels, first):
    """4x4 kernels and biases: to 64, 128, 256, 512 and 1 channels."""
    count = sum(p.numel() for p in PatchDiscriminator(channels, PAPER).parameters())
    assert count == first + 131_200 + 524_544 + 2_097_664 + 8_193


def test_one_logit_per_patch_of_32_pixels():
    assert PatchDiscriminator(3, PAPER)(torch.randn(2, 3, 64, 96)).shape == (2, 1, 2, 3)
    assert PatchDiscriminator(3, (4,))(torch.randn(2, 3, 9, 12)).shape == (2, 1, 2, 3)


def test_too_small_a_map():
    with pytest.raises(InputError, match=r"48x16 \(WxH\) is too small .+ needs 32 on each side"):
        PatchDiscriminator(3, PAPER)(torch.randn(1, 3, 16, 48))


def test_weights_are_used_at_a_spectral_norm_of_one():
    torch.manual_seed(0)
    judge = PatchDiscriminator(3, (6,))
    for _ in range(20):
        judge(torch.randn(1, 3, 8, 8))
    for convolution in judge.layers[::2]:
        norm = torch.linalg.matrix_norm(convolution.weight.flatten(1), 2)
        torch.testing.assert_close(norm, torch.tensor(1.0), atol=1e-3, rtol=0)


def test_the_layers_in_numbers():
    torch.manual_seed(0)
    judge, maps = PatchDiscriminator(3, (6,)).eval(), torch.randn(2, 3, 8, 8)
    first, _, last = judge.layers
    hidden = F.conv2d(maps, first.weight, first.bias, stride=2, padding=1)
    hidden = torch.where(hidden > 0, hidden, 0.2 * hidden)
    torch.testing.assert_close(judge(maps), F.conv2d(hidden, last.weight, last.bias, stride=2, padding=1))


def test_an_unmoved_discriminator_says_the_same_and_takes_no_gradient():
    judge = PatchDiscriminator(3, (6,)).eval()
    maps = torch.randn(2, 3, 8, 8, requires_grad=True)
    logits = judge.unmoved(maps)
    torch.testing.assert_close(logits, judge(maps), rtol=0, atol=0)
    logits.sum().backward()
    assert maps.grad.abs().max() > 0
    assert all(p.grad is None for p in judge.parameters())
    assert all(p.requires_grad for p in judge.parameters())


def test_it_learns_to_tell_two_domains_apart():
    torch.manual_seed(0)
    judge = PatchDiscriminator(1, (8, 8))
    adam = torch.optim.Adam(judge.parameters(), 2e-2, (0.9, 0.99))
    source = torch.rand(4, 1, 16, 16)
    target = source.roll(1, 0) + torch.eye(16)
    for _ in range(60):
        verdict = Verdict(judge(source), judge(target), judge(target))
        loss = discriminator_loss([{"depth": verdict}])
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert judge(source).min() > 0 > judge(target).mean()
