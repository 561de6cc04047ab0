"""The batch that `auto` chooses: what a gradient keeps, counted on nets whose answer is known."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation import memory, prepare, worker
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.evaluation.workplace import Workplace
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.protocol import AttackPlan, Protocol

HEIGHT, WIDTH = 16, 32
CLASSES = ClassSet("two", ("a", "b"), ((0, 0, 0), (9, 9, 9)))


class Flat(Dataset):
    name = "flat"
    classes = CLASSES
    tasks = ("semantic",)

    def __init__(self, count=8):
        self.ids = [f"{i}" for i in range(count)]
        self.groups = self.ids

    def __getitem__(self, index):
        labels = {"semantic": np.zeros((HEIGHT, WIDTH), np.uint8)}
        return Sample(self.ids[index], np.full((HEIGHT, WIDTH, 3), 7 * index, np.uint8), labels)

    def fingerprint(self):
        return "flat"


class Squares(nn.Module):
    """Every squaring keeps its input: `depth` tensors of 2 x H x W float32."""

    def __init__(self, depth):
        super().__init__()
        self.depth = depth
        self.first = nn.Conv2d(3, 2, 1)

    def forward(self, images):
        x = self.first(images)
        for _ in range(self.depth):
            x = x.square()
        return {"semantic": x + 0}


def prepared(depth, **changes):
    net = Squares(depth).eval().requires_grad_(False)
    model = LoadedModel("squares", net, ("semantic",), CLASSES, "none", "0" * 64, "memory")
    return PreparedEvaluation(
        EvaluationConfig(
            models=[InMemory("squares", model)],
            datasets=[InMemory("flat", Flat())],
            protocol=Protocol("one", (AttackPlan("fgsm", (1.0,)),)),
            in_process=True,
            workers=1,
            **changes,
        )
    )


@pytest.mark.parametrize("depth", [4, 9])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_what_backward_needs_is_counted(depth, precision):
    found = prepared(depth, precision=precision)
    kept = memory._kept_bytes(found.workplace.context(found.plan.pairs[0]))
    one = 2 * HEIGHT * WIDTH * 4 // (2 if precision == "bf16" else 1)
    # The convolution may keep its input, of three channels; the loss its softmax, labels and masks.
    assert depth * one <= kept <= depth * one + 6 * one


def test_auto_takes_what_fits(monkeypatch):
    assert prepared(4).plan.batch_size == 64
    one = 2 * HEIGHT * WIDTH * 4
    monkeypatch.setattr(memory, "_memory", lambda device: 2 * 5.5 * 4 * one)
    assert 2 <= prepared(4).plan.batch_size <= 5
    assert prepared(40).plan.batch_size == 1
    assert prepared(40, batch_size=7).plan.batch_size == 7


class FakeGPU:
    """Counts what gradients of a stub allocate, as torch does: `fixed` bytes and `each` for an image."""

    def __init__(self, fixed, each, free):
        self.fixed, self.each, self.free = fixed, each, free
        self.peak = self.kept = 10**6
        self.execution = SimpleNamespace(device="cuda:1", uncompiled=contextlib.nullcontext)
        self.target_model = SimpleNamespace(module=nn.Identity())
        self.first = [0]

    def first_images(self, count):
        return [0] * count

    def gradient(self, batch):
        self.peak = max(self.peak, self.kept + self.fixed + self.each * len(batch))

    def install(self, monkeypatch):
        cuda = {
            "reset_peak_memory_stats": lambda device: setattr(self, "peak", self.kept),
            "memory_allocated": lambda device: self.kept,
            "max_memory_allocated": lambda device: self.peak,
            "mem_get_info": lambda device: (self.free, 2 * self.free),
            "empty_cache": lambda: None,
        }
        for name, function in cuda.items():
            monkeypatch.setattr(torch.cuda, name, function)
        return self


@pytest.mark.parametrize(
    ("fixed", "each", "free", "workers", "images"),
    [
        (0, 100, 2000, 1, 10),
        (500, 100, 2000, 1, 5),
        (500, 100, 4000, 2, 5),
        (500, 100, 900, 1, 1),
        (10**9, 100, 900, 1, 1),
    ],
)
def test_on_a_gpu_the_peaks_of_one_and_two_images_say_what_fits(monkeypatch, fixed, each, free, workers, images):
    """Half of what is free holds the fixed part and the images."""
    assert memory.images_that_fit(FakeGPU(fixed, each, free).install(monkeypatch), workers) == images


def test_where_two_images_do_not_fit_one_is_taken(monkeypatch):
    gpu = FakeGPU(0, 100, 2000).install(monkeypatch)
    monkeypatch.setattr(gpu, "gradient", lambda batch: ends() if len(batch) == 2 else None)
    assert memory.images_that_fit(gpu, 1) == 1


@pytest.mark.parametrize(
    ("size", "fit", "images"), [((1024, 2048), 100, 16), ((512, 1024), 100, 64), ((512, 1024), 20, 20)]
)
def test_a_batch_on_a_gpu_is_what_fits_up_to_a_sensible_number(monkeypatch, size, fit, images):
    monkeypatch.setattr(prepare, "resolve_device", lambda device: "cuda")
    monkeypatch.setattr(prepare, "images_that_fit", lambda context, workers: fit)
    monkeypatch.setattr(Workplace, "context", lambda self, pair: None)
    monkeypatch.setattr(sys.modules[__name__], "HEIGHT", size[0])
    monkeypatch.setattr(sys.modules[__name__], "WIDTH", size[1])
    assert prepared(1).plan.batch_size == images


@pytest.mark.parametrize(("remote", "sharing"), [(False, 8), (True, 2)])
def test_remote_workers_share_each_gpu_and_local_ones_the_one_device(monkeypatch, remote, sharing):
    found = prepared(1, batch_size=1)
    found.config = replace(found.config, workers=8)
    found.engine = replace(found.engine, remote=remote)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert found._sharing == 8, "on a CPU"
    found.device = "cuda"
    assert found._sharing == sharing


def ends(*arguments):
    raise torch.OutOfMemoryError("CUDA out of memory\nsome advice")


@pytest.mark.parametrize(
    ("where", "name", "doing"),
    [
        (WorkerContext, "__post_init__", "model 'squares' was put on cpu"),
        (InMemory, "load", "a model was loaded"),
        (worker, "work_on", "a batch was made"),
    ],
)
def test_memory_that_runs_out_before_the_attacks_is_one_line(monkeypatch, tmp_path, where, name, doing):
    """The attacks themselves do with half a batch."""
    monkeypatch.setattr(where, name, ends)
    with pytest.raises(InputError, match=rf"memory ran out while {doing} \(CUDA out of memory.*--batch-size"):
        run_evaluation(prepared(1), tmp_path)
