from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from robustbench_seg.classes import CAMVID11, CITYSCAPES19, ClassSet
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.models.adapters.adapter import Adapter, InputSpec
from robustbench_seg.models.adapters.outputs import OutputSpec, classes_of
from robustbench_seg.tasks.semantic import Semantic

TWO, THREE = (ClassSet("some", tuple("abc"[:n]), ((0, 0, 0),) * n) for n in (2, 3))
IMAGES = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))


class Gives(nn.Module):
    """A network that gives what it was made with, whatever the image."""

    def __init__(self, given):
        super().__init__()
        self.given = given

    def forward(self, x):
        return self.given


def adapted(given, *outputs, classes=THREE):
    """The outputs of a network that returns `given`."""
    specs = [OutputSpec.parse(text) for text in outputs]
    return Adapter(Gives(given), InputSpec("none"), specs, [classes] * len(specs))(IMAGES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("semantic", OutputSpec("semantic")),
        ("depth=disp:inverse", OutputSpec("depth", "disp", True)),
        ("lanes=semantic", OutputSpec("semantic[lanes]")),
        ("lanes=semantic:0", OutputSpec("semantic[lanes]", "0")),
        ("far=depth:1:inverse", OutputSpec("depth[far]", "1", True)),
        ("far=depth:inverse", OutputSpec("depth[far]", None, True)),
        ("semantic[lanes]=0", OutputSpec("semantic[lanes]", "0")),
    ],
)
def test_names_of_tasks_in_outputs(text, expected):
    assert OutputSpec.parse(text) == expected


@pytest.mark.parametrize("text", ["lanes=seg", "lanes=semantic:", "la nes=semantic:0", "lanes", "=semantic:0"])
def test_bad_names(text):
    with pytest.raises(UsageError, match="NAME=TASK:KEY"):
        OutputSpec.parse(text)


def test_only_depth_has_an_inverse_whatever_it_is_called():
    with pytest.raises(UsageError, match="only depth can be inverse"):
        OutputSpec.parse("lanes=semantic:0:inverse")


def test_several_outputs_of_one_task_each_in_its_classes():
    first, second = torch.randn(1, 2, 8, 8), torch.randn(1, 3, 8, 8)
    specs = [OutputSpec.parse("drivable=semantic:0"), OutputSpec.parse("lanes=semantic:1")]
    outputs = Adapter(Gives([first, second]), InputSpec("none"), specs, [TWO, THREE])(IMAGES)
    assert set(outputs) == {"semantic[drivable]", "semantic[lanes]"}
    assert torch.equal(outputs["semantic[drivable]"], first)
    assert torch.equal(outputs["semantic[lanes]"], second)


def test_one_of_several_outputs_is_found_by_its_own_name_alone():
    logits = torch.randn(1, 3, 8, 8)
    assert torch.equal(adapted({"out": -logits, "lanes": logits}, "lanes=semantic")["semantic[lanes]"], logits)
    with pytest.raises(InputError, match=r"output for lanes: no obvious entry .*use lanes=semantic:KEY"):
        adapted([logits, logits], "lanes=semantic")


def test_a_sigmoid_channel_is_two_classes():
    logit = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    output = adapted(logit, "semantic", classes=TWO)["semantic"]
    torch.testing.assert_close(output.softmax(1)[:, 1:], logit.sigmoid())
    label = (IMAGES[:, 0] > 0.5).long()
    torch.testing.assert_close(
        Semantic().loss(output, label)[0], F.binary_cross_entropy_with_logits(logit[:, 0], label.float())
    )
    with pytest.raises(InputError, match="a single channel for 3 classes; it is the logit of the second of two"):
        adapted(logit, "semantic")


@pytest.mark.parametrize("key", ["predicted_depth", "depth", "out"])
@pytest.mark.parametrize("container", [dict, lambda **given: SimpleNamespace(**given)])
def test_depth_is_found_by_its_usual_names(key, container):
    depth = 1 + torch.rand(1, 8, 8)
    assert torch.equal(adapted(container(**{key: depth}), "depth")["depth"], depth)


def test_a_depth_network_says_which_task_it_has():
    with pytest.raises(InputError, match="has 'predicted_depth', that of depth: give --output depth=predicted_depth"):
        adapted({"predicted_depth": 1 + torch.rand(1, 8, 8)}, "semantic")


@pytest.mark.parametrize(
    "given",
    [
        {"class_queries_logits": torch.rand(1, 9, 4), "masks_queries_logits": torch.rand(1, 9, 2, 2)},
        {"logits": torch.rand(1, 9, 4), "pred_boxes": torch.rand(1, 9, 4)},
        SimpleNamespace(pred_logits=torch.rand(1, 9, 4), pred_masks=torch.rand(1, 9, 2, 2)),
        [{"boxes": torch.rand(5, 4), "labels": torch.ones(5), "scores": torch.ones(5)}],
    ],
)
def test_queries_are_refused_for_what_they_are(given):
    with pytest.raises(InputError, match="a class and a mask or box for each of some queries or instances"):
        adapted(given, "semantic")


def test_queries_beside_a_segmentation_are_no_obstacle():
    logits = torch.rand(1, 3, 8, 8)
    given = {"pred_logits": torch.rand(1, 9, 4), "semantic": logits}
    assert torch.equal(adapted(given, "semantic")["semantic"], logits)
    assert torch.equal(adapted(given | {"seg": logits}, "semantic=seg")["semantic"], logits)


def test_class_ids_are_no_logits():
    with pytest.raises(InputError, match="is int64, which has no gradient; give what it is the argmax of"):
        adapted(torch.ones(1, 8, 8, dtype=torch.int64), "semantic", classes=TWO)


def test_classes_of_all_outputs_and_of_one():
    specs = [OutputSpec.parse("drivable=semantic:0"), OutputSpec.parse("lanes=semantic:1")]
    assert classes_of("camvid11", specs) == (CAMVID11, {})
    assert classes_of(TWO, specs) == (TWO, {})
    given = ("lanes=camvid11", "cityscapes19")
    assert classes_of(given, specs) == (CITYSCAPES19, {"semantic[lanes]": CAMVID11})
    assert classes_of(("semantic=camvid11",), [OutputSpec("semantic")]) == (CAMVID11, {}), "an only one's are shared"
    assert classes_of({"lanes": TWO, "drivable": THREE}, specs) == (
        None,
        {"semantic[lanes]": TWO, "semantic[drivable]": THREE},
    )
    with pytest.raises(UsageError, match=r"one set for all, others as NAME=SET of drivable, lanes"):
        classes_of(("camvid11", "cityscapes19"), specs)
    with pytest.raises(UsageError, match="classes 'lane=camvid11': unknown output 'lane'; did you mean lanes"):
        classes_of(("lane=camvid11",), specs)
