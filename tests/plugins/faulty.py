"""A plugin whose attacks, models, data set and task each do one thing wrong, on top of the toy plugin."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from robustbench_seg import ATTACKS, DATASETS, MODELS, TASKS
from robustbench_seg.attacks.chosen_loss import ChosenLoss
from robustbench_seg.attacks.fgsm import FGSM
from robustbench_seg.classes import CAMVID11
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.registry import load_plugin
from robustbench_seg.tasks.semantic import Semantic

load_plugin(Path(__file__).with_name("toy.py"))
TWO = 2
"""The image that single-image faults hit; in a small run it is neither the first nor the last."""


def signature():
    """What tells that image from the others, whatever is done to it within a few grey values."""
    image = DATASETS.get("toy")()[TWO].image
    return torch.from_numpy(image).permute(2, 0, 1).float() / 255


def attack(name):
    """Register a function of (problem, budget) as an attack."""

    def add(function):
        @dataclass(frozen=True)
        class Faulty(ChosenLoss):
            def run(self, context, budget):
                return function(context, budget)

        return ATTACKS.register(name, "faulty")(Faulty)

    return add


def fgsm(context, budget):
    return context.images + context.gradient(context.images).sign() * budget.epsilon / 255


@attack("raises")
def raises(context, budget):
    raise RuntimeError("broken on\npurpose")


@attack("raises_late")
def raises_late(context, budget):
    if budget.epsilon > 1:
        raise RuntimeError("too strong")
    return fgsm(context, budget)


@attack("gives_nan")
def gives_nan(context, budget):
    x = fgsm(context, budget)
    x[:, :, 0, 0] = float("nan")
    return x


@attack("gives_nan_for_one")
def gives_nan_for_one(context, budget):
    x = fgsm(context, budget)
    hit = (context.images - signature()).abs().flatten(1).amax(1) == 0
    return torch.where(hit.view(-1, 1, 1, 1), float("nan"), x)


@attack("gives_shape")
def gives_shape(context, budget):
    return fgsm(context, budget).transpose(2, 3)


@attack("gives_double")
def gives_double(context, budget):
    return fgsm(context, budget).double()


@attack("gives_bytes")
def gives_bytes(context, budget):
    return (fgsm(context, budget).clamp(0, 1) * 255).round().to(torch.uint8)


@attack("gives_array")
def gives_array(context, budget):
    return fgsm(context, budget).numpy()


@attack("gives_nothing")
def gives_nothing(context, budget):
    return None


@attack("gives_other_device")
def gives_other_device(context, budget):
    return fgsm(context, budget).to("meta")


@attack("leaves_range")
def leaves_range(context, budget):
    return context.images + 1000 * context.gradient(context.images).sign()


@attack("in_place")
def in_place(context, budget):
    context.images += 0.5
    return fgsm(context, budget)


@attack("in_place_unseen")
def in_place_unseen(context, budget):
    context.images.numpy()[:] = 0.5
    return fgsm(context, budget)


@attack("in_place_and_raises")
def in_place_and_raises(context, budget):
    context.images.zero_()
    raise RuntimeError("after the harm")


@attack("changes_weights")
def changes_weights(context, budget):
    with torch.no_grad():
        for parameter in context._target_model.module.parameters():
            parameter.mul_(0.5)
    return fgsm(context, budget)


@attack("trains")
def trains(context, budget):
    context._target_model.module.train()
    return fgsm(context, budget)


@attack("exits")
def exits(context, budget):
    sys.exit(0)


@attack("interrupts")
def interrupts(context, budget):
    raise KeyboardInterrupt


@ATTACKS.register("skips_epsilon")
@dataclass(frozen=True)
class SkipsRadius(FGSM):
    """Forgets all but the first epsilon."""

    def run_epsilons(self, context, budgets):
        yield budgets[0], self.run(context, budgets[0])


class Faulty(nn.Module):
    """A toy network whose output (or gradient) goes through `wrong`, for all images or the one with a signature."""

    def __init__(self, wrong, one):
        super().__init__()
        self.net = MODELS.get("toy-single")().module
        self.wrong, self.one = wrong, one

    def forward(self, x):
        hit = (x - signature()).abs().flatten(1).amax(1) < 0.1
        out = self.net(x)["semantic"]
        return {"semantic": self.wrong(out, x, hit if self.one else torch.ones_like(hit))}


def model(name, one=False):
    """Register a function of (logits, images, images hit) as what the model gives."""

    def add(wrong):
        def make():
            return LoadedModel(name, Faulty(wrong, one).eval(), ("semantic",), CAMVID11, "none", name, "faulty")

        MODELS.register(name, "faulty")(make)
        return wrong

    return add


def where(hit, value, out):
    return torch.where(hit.view(-1, 1, 1, 1), value, out)


@model("nan-one", one=True)
@model("nan-all")
def nan(out, x, hit):
    return where(hit, float("nan"), out)


@model("raises-one", one=True)
def raise_one(out, x, hit):
    if hit.any():
        raise RuntimeError("no such\nimage")
    return out


class _Nan(torch.autograd.Function):
    @staticmethod
    def forward(ctx, out, hit):
        ctx.save_for_backward(hit)
        return out.clone()

    @staticmethod
    def backward(ctx, gradient):
        (hit,) = ctx.saved_tensors
        return where(hit, float("nan"), gradient), None


@model("nan-gradient-one", one=True)
@model("nan-gradient")
def nan_gradient(out, x, hit):
    return _Nan.apply(out, hit)


@model("swapped")
def swapped(out, x, hit):
    return out.transpose(2, 3)


@model("no-batch")
def no_batch(out, x, hit):
    return out[0]


@model("few-channels")
def few_channels(out, x, hit):
    return out[:, :4]


@model("other-batch")
def other_batch(out, x, hit):
    return torch.cat([out, out])


@model("no-tensor")
def no_tensor(out, x, hit):
    return None


@model("shape-when-attacked")
def shape_when_attacked(out, x, hit):
    """Other channels as soon as an image is no longer one of 8-bit values."""
    grey = x * 255
    return out if (grey - grey.round()).abs().max() < 1e-3 else out[:, :4]


@model("batch-norm")
def batch_norm(out, x, hit):
    return out


class BatchNorm(Faulty):
    """The toy network behind a batch normalisation, whose statistics move when it is left in training mode."""

    def __init__(self):
        super().__init__(batch_norm, False)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return super().forward(self.norm(x))


@MODELS.register("with-batch-norm")
def with_batch_norm():
    """A model with state."""
    return LoadedModel("with-batch-norm", BatchNorm().eval(), ("semantic",), CAMVID11, "none", "bn", "faulty")


class Raising(Semantic):
    """Raises when it measures one image."""

    name = "raising"
    key = "semantic"

    def raw_statistics(self, outputs, labels, num_classes):
        raise ValueError("no\nstatistics")


class RaisingLate(Semantic):
    """Raises when the tables are made."""

    name = "raising-late"
    key = "semantic"

    def values(self, statistics, weights, scored):
        raise ValueError("no\nvalues")


class Measured(DATASETS.get("toy")):
    """The toy data with labels for the faulty tasks."""

    name = "measured"
    tasks = ("semantic", "raising", "raising-late")


DATASETS.register("measured", "faulty")(Measured)
for task in (Raising, RaisingLate):
    TASKS.register(task.name, "faulty")(task)


def _measured(name):
    def make():
        net = MODELS.get("toy-single")().module
        return LoadedModel(f"measures-{name}", net, ("semantic", name), CAMVID11, "none", name, "faulty")

    return make


for task in (Raising, RaisingLate):
    MODELS.register(f"measures-{task.name}", "faulty")(_measured(task.name))
