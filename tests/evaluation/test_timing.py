import pytest
import torch
from torch import nn

from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.classes import CAMVID11
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation import timing
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.evaluation.timing import Timing, measure_timing
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.protocol import AttackPlan, Protocol


class _Few(nn.Module):
    """Takes a few images at once."""

    def __init__(self, most):
        super().__init__()
        self.conv = nn.Conv2d(3, len(CAMVID11), 1)
        self.most = most

    def forward(self, x):
        if len(x) > self.most:
            raise torch.OutOfMemoryError(f"{len(x)} images")
        return {"semantic": self.conv(x)}


@pytest.fixture
def counted(monkeypatch):
    """Calls take as long as the number of calls timed before, and a tenth."""
    calls = []

    def seconds(work, device):
        work()
        calls.append(work)
        return len(calls) + 0.1

    monkeypatch.setattr(timing, "typical_seconds", seconds)
    return calls


def context_of(request_for, module, *attacks):
    model = LoadedModel("m", module, ("semantic",), CAMVID11, "none", "1", "test")
    protocol = Protocol("some", (AttackPlan("gaussian", (1.0,)), *attacks))
    prepared = PreparedEvaluation(request_for(models=[InMemory("m", model)], protocol=protocol))
    return prepared.workplace.context(prepared.plan.pairs[0])


@pytest.mark.parametrize(("most", "used"), [(8, 8), (7, 4), (1, 1)])
def test_as_many_images_as_run_at_once(request_for, counted, most, used):
    context = context_of(request_for, _Few(most))
    assert measure_timing(context, 8) == Timing(1.1 / used, 2.1 / used, 3.1 / used)


def test_a_gradient_is_the_mean_of_those_of_the_losses(request_for, counted):
    attacks = (AttackPlan("fgsm", (1.0,)), AttackPlan("pgd", (1.0,)), AttackPlan("cospgd", (1.0,)))
    # FGSM and PGD ascend the same loss: the second call, CosPGD another, the third.
    assert measure_timing(context_of(request_for, _Few(8), *attacks), 2) == Timing(1.1 / 2, 2.6 / 2, 4.1 / 2)


def test_a_loss_that_fails_is_not_timed(request_for, counted, monkeypatch):
    monkeypatch.setattr(PGD, "adversarial_loss", lambda *_: 1 / 0)
    context = context_of(request_for, _Few(8), AttackPlan("pgd", (1.0,)))
    assert measure_timing(context, 2) == Timing(1.1 / 2, 2.1 / 2, 3.1 / 2)


def test_what_fails_on_one_image_fails(request_for):
    with pytest.raises(torch.OutOfMemoryError):
        measure_timing(context_of(request_for, _Few(0)), 4)


def test_what_cannot_be_scored_takes_no_time(request_for, counted, monkeypatch):
    context = context_of(request_for, _Few(8))
    monkeypatch.setattr(timing.Scorer, "score", lambda *_: 1 / 0)
    assert measure_timing(context, 2) == Timing(1.1 / 2, 2.1 / 2, 0.0)


def test_a_model_that_takes_one_image_at_a_time_can_be_evaluated(request_for):
    model = LoadedModel("m", _Few(1), ("semantic",), CAMVID11, "none", "1", "test")
    assert PreparedEvaluation(request_for(models=[InMemory("m", model)])).estimate().seconds > 0
    model = LoadedModel("m", _Few(0), ("semantic",), CAMVID11, "none", "1", "test")
    with pytest.raises(InputError, match="fails on the first image"):
        PreparedEvaluation(request_for(models=[InMemory("m", model)])).estimate()
