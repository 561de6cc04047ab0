"""What any task with a value at every pixel does with a model's output."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from robustbench_seg.classes import CAMVID11, CITYSCAPES19, align
from robustbench_seg.errors import InputError
from robustbench_seg.tasks.dense import dense_tasks
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.tasks.semantic import merge_logits

SHAPE = (2, 3, 12, 16)


@pytest.fixture(params=list(dense_tasks()))
def task(request):
    return TASKS.get(request.param)()


def test_a_networks_channels_become_an_output(task):
    raw = torch.randn(2, task.channels(7), 12, 16)
    output = task.activate(raw)
    assert torch.equal(task.output(output, SHAPE, None), output)


def test_strided_outputs_are_resized_bilinearly(task):
    value = task.activate(torch.randn(2, task.channels(7), 3, 4))
    planes = value if value.dim() == 4 else value[:, None]
    expected = F.interpolate(planes, SHAPE[-2:], mode="bilinear", align_corners=False)
    found = task.output(value, SHAPE, None)
    assert torch.equal(found, expected if value.dim() == 4 else expected[:, 0])
    assert torch.equal(task.output(planes.half(), SHAPE, None), task.output(planes.half().float(), SHAPE, None))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, "no tensor '{key}'; map it with --output {key}=KEY"),
        (torch.rand(2, 4), r"output '{key}' has shape \(2, 4\) for 2 images"),
        (torch.rand(3, 1, 12, 16), "for 2 images"),
        (torch.rand(2, 3, 16, 12), "output '{key}' is 16 x 12 for images of 12 x 16: are its axes swapped"),
    ],
)
def test_outputs_that_do_not_fit_are_refused(task, value, message):
    with pytest.raises(InputError, match=message.format(key=task.key)):
        task.output(value, SHAPE, None)


@pytest.mark.parametrize("name", ["depth", "edges", "normals"])
def test_the_wrong_number_of_planes(name):
    task = TASKS.get(name)()
    with pytest.raises(InputError, match=f"output '{name}' has 5 channels, not {task.planes}"):
        task.output(torch.rand(2, 5, 12, 16), SHAPE, None)


def test_a_region_of_its_prediction_can_be_replaced(task):
    output = task.activate(torch.randn(2, task.channels(7), 12, 16))
    target = task.prediction(output)
    assert target.shape[0] == 2
    assert target.shape[-2:] == (12, 16)
    assert task.distance(output, target).shape == (2,)


def test_logits_merge_by_the_maximum():
    logits = torch.randn(2, 19, 4, 5, generator=torch.Generator().manual_seed(1))
    merged = merge_logits(logits, align(CITYSCAPES19, CAMVID11))
    assert merged.shape == (2, 11, 4, 5)
    building = [CITYSCAPES19.find(name) for name in ("building", "wall")]
    assert torch.equal(merged[:, CAMVID11.find("building")], logits[:, building].max(1).values)
    assert torch.equal(merged[:, CAMVID11.find("sky")], logits[:, CITYSCAPES19.find("sky")])
    assert merge_logits(logits, None) is logits
