"""The batch that `auto` chooses: what a gradient keeps, counted on nets whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation import memory, worker
from robustbench_seg.evaluation.config import EvaluationConfig
from robustbench_seg.evaluation.context import WorkerContext
from robustbench_seg.evaluation.prepare import PreparedEvaluation
from robustbench_seg.evaluation.run import run_evaluation
from robustbench_seg.evaluation.spec import InMemory
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
    model = LoadedModel("squares", net, ("semantic",), CLASSES, False, "0" * 64, "memory")
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
