"""No task makes the host wait for a GPU while an attack runs, and what a GPU computes is what a CPU does."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from robustbench_seg.attacks.objectives.margins import changeable, logits_of
from robustbench_seg.tasks.base import LossSettings, seen_by
from robustbench_seg.tasks.dense import DenseTask
from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.depth_align import ALIGNMENTS
from robustbench_seg.tasks.instances.assign import assign
from robustbench_seg.tasks.instances.dense import DenseInstances
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.transfer import fetch
from tests.pretended import DEVICE, pretended_gpu
from tests.tasks.made import LABELS, MADE, OUTPUTS, Made, made_for
from tests.waits import waits

CLASSES = 4
SETTINGS = LossSettings(torch.tensor([1.0, 2.0, 3.0, 4.0]))


@pytest.fixture(params=list(TASKS))
def task(request):
    task = TASKS.get(request.param)()
    made_for(task.key)
    return task


@pytest.fixture
def output(task):
    """One whose parts have gradients."""
    made = made_for(task.key).output
    if not isinstance(made, DenseInstances):
        return made.clone().requires_grad_()
    leaves = ("classes", "boxes", "centerness", "codes", "depth")
    return dataclasses.replace(made, **{name: getattr(made, name).clone().requires_grad_() for name in leaves})


def differentiate(value: Tensor, output):
    parts = list(vars(output).values()) if isinstance(output, DenseInstances) else [output]
    leaves = [part for part in parts if isinstance(part, Tensor) and part.requires_grad]
    torch.autograd.grad(value.sum(), leaves, allow_unused=True, retain_graph=True)


def what_attacks_ask(task, output, made, settings=SETTINGS):
    label = made.label
    values = [task.loss(output, label), *task.losses(output, label).values(), task.performance(output, label)]
    for name in ("", *task.attack_losses):
        values.append(task.ascended(name, 0.3)(task.scale_free(output)(output), label))
        if isinstance(task, DenseTask):
            values.append(task.descended(name, 0.3)(output, task.prediction(made.output)))
    values += task.training_losses(output, label, settings).values()
    for value in values:
        if value.requires_grad:
            differentiate(value, output)
    task.valid(label)
    for how in ALIGNMENTS:
        task.rescaling(output, label, how)(output)


def test_what_an_attack_asks_of_a_task_does_not_wait(task, output):
    made = made_for(task.key)
    what_attacks_ask(task, output, made)  # what depends on labels alone is computed once a batch
    with waits() as found:
        what_attacks_ask(task, output, made)
    assert not found


def test_no_parameter_of_depth_makes_it_wait():
    task = Depth(crop="garg", max_depth=50.0, regions="frozen", class_average=True, pooling="pixel", holes=True)
    labels = {**LABELS, seen_by("frozen"): LABELS["semantic"]}
    made = MADE["depth"]
    output = made.output.clone().requires_grad_()
    with waits() as found:
        what_attacks_ask(task, output, made)
        task.raw_statistics(OUTPUTS, labels, CLASSES)
    assert not found


@pytest.mark.slow
def test_a_task_on_a_gpu_that_is_not_there(task):
    """Nothing it works with is on the host, and nothing leaves the device before it is fetched."""
    found = assign(OUTPUTS["instances"].locations, LABELS["instances"])  # on the host, once per batch
    with pretended_gpu() as put:
        there = {key: Made(put(made.output), put(made.label)) for key, made in MADE.items()}
        there["instances"].label.assigned[OUTPUTS["instances"].locations.levels] = put(found)
        settings = LossSettings(put(SETTINGS.class_weights))
        what_attacks_ask(task, there[task.key].output, there[task.key], settings)
        outputs, labels = ({key: made[i] for key, made in there.items()} for i in range(2))
        raw = task.raw_statistics(outputs, labels, CLASSES)
        assert {value.device.type for value in raw.values() if isinstance(value, Tensor)} <= {DEVICE}


@pytest.mark.parametrize("name", changeable())
def test_logits_of_classes_do_not_wait(name):
    source = logits_of(TASKS.get(name)())
    source.labels(OUTPUTS, LABELS)
    with waits() as found:
        source.labels(OUTPUTS, LABELS)
        source.above(source.of(OUTPUTS), 0.5)
    assert not found


def test_raw_statistics_do_not_wait_and_are_the_same_on_a_gpu(task):
    expected = task.statistics(OUTPUTS, LABELS, CLASSES)
    with waits() as found:
        raw = task.raw_statistics(OUTPUTS, LABELS, CLASSES)
    assert not found
    for image, other in zip(task.image_statistics(fetch(raw), LABELS, CLASSES), expected, strict=True):
        assert image.keys() == other.keys()
        for key, value in image.items():
            assert value.dtype == np.float64
            np.testing.assert_allclose(value, other[key], rtol=1e-6 if task.key == "instances" else 1e-12)


@pytest.mark.parametrize("name", ["depth", "normals"])
@pytest.mark.parametrize("size", [1, 3, 8])
def test_sums_of_errors_do_not_depend_on_the_batch(name, size):
    g = torch.Generator().manual_seed(0)
    shape = (8, 3, 40, 50) if name == "normals" else (8, 40, 50)
    output, label = 90 * torch.rand(shape, generator=g), 90 * torch.rand(shape, generator=g)
    label[:, ..., :20] = 0
    regions = torch.randint(0, CLASSES + 1, (8, 40, 50), generator=g)
    task = TASKS.get(name)()

    def found(part: slice) -> Tensor:
        return task.raw_statistics({name: output[part]}, {name: label[part], "semantic": regions[part]}, CLASSES)[
            "sums"
        ]

    for on_gpu in (False, True):
        with waits() if on_gpu else torch.no_grad():
            together, apart = found(slice(8)), torch.cat([found(slice(i, i + size)) for i in range(0, 8, size)])
        assert torch.equal(together, apart)
        assert (together[:, :CLASSES, -1].sum(1) < together[:, CLASSES, -1]).all(), "some pixels are of no class"


@pytest.mark.parametrize("how", ["median", "affine"])
def test_alignments_and_a_batch_without_a_label_do_not_wait(how):
    output, label = made_for("depth")
    with waits() as found:
        ratio = Depth().rescaling(output, torch.cat([label[:2], torch.zeros_like(label[2:])]), how)(output) / output
    assert not found
    torch.testing.assert_close(ratio[2], torch.ones_like(ratio[2]))
