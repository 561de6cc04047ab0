import pytest
import torch
from torch import nn

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.checks.alternatives import OtherInput, ShiftedClasses, alternatives, count, input_of
from robustbench_seg.classes import CAMVID11, CITYSCAPES19, align
from robustbench_seg.models.adapters.adapter import Adapter, InputSpec, OutputSpec
from robustbench_seg.models.blocks.normalization import PRESETS, Normalize
from robustbench_seg.tasks.registry import load_tasks

TASKS = load_tasks(("semantic",))
SPECS = [
    InputSpec("imagenet"),
    InputSpec("half", 1, "bgr"),
    InputSpec("none", 255),
    InputSpec("mean=123,116,103;std=1,1,2", 255, "bgr"),
]


def target(spec, net, classes=CAMVID11, data=CAMVID11):
    module = Adapter(net, spec, [OutputSpec("semantic")], [classes])
    return TargetModel(module, TASKS.values(), align(classes, data))


@pytest.mark.parametrize("given", SPECS, ids=str)
@pytest.mark.parametrize("other", SPECS, ids=str)
def test_another_input_is_what_a_model_called_so_gives(given, other):
    torch.manual_seed(0)
    net, images = nn.Conv2d(3, 11, 3), torch.rand(2, 3, 8, 8)
    expected = target(other, net).outputs(images)["semantic"]
    seen = OtherInput(given, other).outputs(target(given, net), images)["semantic"]
    torch.testing.assert_close(seen, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(("classes", "data"), [(CAMVID11, CAMVID11), (CITYSCAPES19, CAMVID11)])
@pytest.mark.parametrize("shift", [1, -1])
def test_shifted_classes_are_those_of_a_network_with_its_channels_rolled(classes, data, shift):
    torch.manual_seed(0)
    net, images = nn.Conv2d(3, len(classes), 1), torch.rand(2, 3, 8, 8)
    rolled = nn.Conv2d(3, len(classes), 1)
    rolled.load_state_dict({key: value.roll(shift, 0) for key, value in net.state_dict().items()})
    given = target(SPECS[0], rolled, classes, data)
    seen = ShiftedClasses(shift).outputs(given, images)["semantic"]
    assert torch.equal(seen, target(SPECS[0], net, classes, data).outputs(images)["semantic"])
    assert given.cost.forwards == 2


def test_what_is_known_of_a_module():
    assert input_of(target(SPECS[3], nn.Conv2d(3, 11, 1)).module) == SPECS[3]
    assert input_of(nn.Sequential(Normalize(PRESETS["half"]), nn.Conv2d(3, 11, 1))) == InputSpec("half")
    custom = InputSpec("mean=0.1,0.2,0.3;std=1.0,1.0,1.0")
    assert input_of(Normalize(custom.normalization())) == custom
    assert input_of(nn.Conv2d(3, 11, 1)) == InputSpec("none")


def test_there_are_as_many_for_every_module():
    for spec in SPECS:
        module = target(spec, nn.Conv2d(3, 11, 1)).module
        assert len(alternatives(module, list(TASKS.values()))) == count(list(TASKS.values()))
    assert count(list(load_tasks(("depth",)).values())) == count(list(TASKS.values())) - 2, "depth has no classes"


def test_only_what_differs_is_said():
    assert OtherInput(InputSpec("half"), InputSpec("half", 1, "bgr")).text == "--channel-order bgr"
    assert OtherInput(InputSpec("half"), SPECS[3]).text == (
        "--normalize 'mean=123,116,103;std=1,1,2' --input-scale 255 --channel-order bgr"
    )
