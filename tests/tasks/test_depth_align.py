"""Relative depth: scale and shift against numpy's least squares, and against a prediction that they make exact."""

import numpy as np
import pytest
import torch

from robustbench_seg.errors import UsageError
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.depth_align import ALIGNMENTS, Counted, alignment_of, scale_and_shift

TASK = Depth()
SHAPE = (3, 6, 7)


def counted(label):
    return Counted(label, TASK.valid_pixels(label))


@pytest.fixture
def label(generator):
    """Depths of 2 to 60 m, of which some have no label; of the last image none."""
    depth = 2 + 58 * torch.rand(SHAPE, generator=generator)
    depth[0, 0], depth[1, :, 3:5], depth[2] = 0, 95.0, 0
    return depth


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)


def test_scale_and_shift_are_those_of_least_squares(label, generator):
    output = 0.1 + torch.rand(SHAPE, generator=generator)
    scale, shift = scale_and_shift(output, counted(label))
    for i in (0, 1):
        known = (label[i] > 1e-3) & (label[i] < 80)
        inverse = (1 / output[i][known].double()).numpy()
        design = np.stack([inverse, np.ones_like(inverse)], 1)
        expected, *_ = np.linalg.lstsq(design, (1 / label[i][known].double()).numpy(), rcond=None)
        assert (scale[i].item(), shift[i].item()) == pytest.approx(tuple(expected), rel=1e-4)
    assert (scale[2].item(), shift[2].item()) == (1, 0), "an image without a label stays as it is"


@pytest.mark.parametrize(("factor", "offset"), [(3.0, 0.2), (1e-3, -0.01), (-2.0, 1.0), (500.0, -40.0)])
def test_an_affine_function_of_inverse_depth_has_no_error(label, factor, offset):
    """Whatever the sign, also where inverse depth is below 0."""
    given = factor / label.clamp(min=1) + offset
    output = ALIGNMENTS["affine"].inverted(given)
    aligned = TASK.rescaling(output, label, "affine")(output)
    assert TASK.loss(aligned, label)[:2].tolist() == pytest.approx([0, 0], abs=2e-2)
    (image, *_) = TASK.statistics({"depth": aligned}, {"depth": label}, 0)
    assert TASK.values([image], np.ones((1, 1)), np.zeros(0, bool)).overall["abs_rel"][0] < 1e-3


def test_a_constant_prediction_becomes_the_mean_of_inverse_depth(label):
    output = torch.full(SHAPE, 7.0)
    aligned = TASK.rescaling(output, label, "affine")(output)
    for i in (0, 1):
        known = (label[i] > 1e-3) & (label[i] < 80)
        torch.testing.assert_close(aligned[i], torch.full(SHAPE[1:], 1 / float((1 / label[i][known]).mean())))


def test_what_is_fitted_is_a_constant_of_the_attack(label, generator):
    clean = (0.1 + torch.rand(SHAPE, generator=generator)).requires_grad_(True)
    fitted = TASK.rescaling(clean, label, "affine")
    moved = clean.detach() * 1.01
    scale, shift = (value.view(-1, 1, 1) for value in scale_and_shift(clean, counted(label)))
    expected = (scale / moved + shift).clamp(min=1 / 80).reciprocal()
    torch.testing.assert_close(fitted(moved), expected)
    assert not fitted(moved).requires_grad, "nothing of the fit is differentiated"
    (gradient,) = torch.autograd.grad(TASK.loss(fitted(clean), label)[:2].sum(), clean)
    assert gradient[:2].isfinite().all()
    assert gradient[:2].count_nonzero() > 0


def test_nothing_is_farther_than_what_counts():
    label = torch.tensor([[[2.0, 4.0, 8.0, 70.0]]])
    output = ALIGNMENTS["affine"].inverted(torch.tensor([[[10.0, 5.0, 2.0, -9.0]]]))
    aligned = TASK.rescaling(output, label, "affine")(output)
    assert aligned.max().item() == pytest.approx(80)
    assert TASK.saturation(aligned, label) == pytest.approx(0.25)


@pytest.mark.parametrize("how", ["none", "median"])
def test_without_a_shift_negative_inverse_depth_is_infinitely_far(how):
    depth = ALIGNMENTS[how].inverted(torch.tensor([-3.0, 0.0, 0.5]))
    torch.testing.assert_close(depth, torch.tensor([1e6, 1e6, 2.0]))


def test_predictions_in_another_unit_are_at_the_end_of_the_range(label):
    millimetres = 1000 * label
    assert TASK.saturation(millimetres, label) == 1
    assert TASK.saturation(label, label) < 0.1


def test_a_negative_scale_is_noticed(label):
    """Inverse depth that grows with depth: the first image alone."""
    given = 1 / label.clamp(min=1)
    given[0] = 1 - given[0]
    output = ALIGNMENTS["affine"].inverted(given)
    assert ALIGNMENTS["affine"].reversed(output, counted(label)).tolist() == [True, False, False]
    assert TASK.reversed(output, label, "affine") == 1 / 2, "of the images with a label"
    assert [TASK.reversed(output, label, how) for how in ("none", "median")] == [0, 0]


def test_an_unknown_alignment_is_one_line():
    with pytest.raises(UsageError, match="unknown depth alignment 'medians'; did you mean median"):
        alignment_of("medians")
