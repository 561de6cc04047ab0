from __future__ import annotations

import math

import pytest
import torch

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.classes import CAMVID11, CITYSCAPES19, ClassSet, align
from robustbench_seg.errors import InputError, RobustsegError
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build
from robustbench_seg.tasks.depth import FAR, NEAR, Depth
from robustbench_seg.tasks.instances.truth import InstanceLabels, Instances
from robustbench_seg.tasks.registry import TASKS
from tests.tasks.by_key import by_key

FIVE = ("semantic", "depth", "detection", "instance", "instance_depth")
NANO = {
    "encoder": "resnet18",
    "encoder_args": {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1], "stem_type": "deep", "stem_width": 8},
    "decoder": {"width": 16, "bottleneck": 8, "head": 8, "extra": 1, "extra_width": 16, "skip_finest": 0},
    "instances": {"width": 16, "convs": 1, "codes": 8, "limits": [12.0, 24.0]},
}
SIZE = (48, 80)


def net(tasks=FIVE, classes=19, **changes):
    torch.manual_seed(0)
    return build("uninet", {**NANO, **changes}, NetworkRequest(tasks, classes, PRESETS["uninet"]), "test").eval()


def images(count=2, size=SIZE, seed=0):
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(seed))


# outputs


@pytest.mark.parametrize("size", [(1, 1), (31, 65), (64, 64), (97, 193)])
def test_any_size(size):
    outputs = net(classes=7)(images(2, size))
    assert set(outputs) == {"semantic", "depth", "instances"}
    assert outputs["semantic"].shape == (2, 7, *size)
    assert outputs["depth"].shape == (2, *size)
    dense = outputs["instances"]
    count = sum(map(len, dense.locations.levels))
    assert len(dense.locations.levels) == 3
    assert dense.size == size
    assert dense.locations.points.shape == (count, 2)
    assert dense.classes.shape == (2, count, 7)
    assert dense.boxes.shape == (2, count, 4)
    assert dense.centerness.shape == dense.depth.shape == (2, count)
    assert dense.codes.shape == (2, count, 8)
    assert (dense.boxes[..., :2] <= dense.locations.points).all()
    assert (dense.boxes[..., 2:] >= dense.locations.points).all()
    assert dense.finite().all()


def test_levels_far_beyond_the_encoder_take_a_small_image_too():
    outputs = net(("semantic",), 7, decoder={**NANO["decoder"], "extra": 3})(images(1, (40, 200)))
    assert outputs["semantic"].shape == (1, 7, 40, 200)


@pytest.mark.parametrize(
    ("tasks", "keys", "parts"),
    [
        (("semantic",), {"semantic"}, None),
        (("depth",), {"depth"}, None),
        (("detection",), {"instances"}, (False, False)),
        (("instance", "detection"), {"instances"}, (True, False)),
        (("semantic", "detection", "instance_depth"), {"semantic", "instances"}, (False, True)),
    ],
)
def test_what_is_predicted_is_what_was_asked_for(tasks, keys, parts):
    outputs = net(tasks)(images())
    assert set(outputs) == keys
    if parts is not None:
        dense = outputs["instances"]
        assert (dense.codes is not None, dense.depth is not None) == parts
        assert (dense.basis is None) == (dense.codes is None)


def test_every_registered_task_it_has_finds_its_output():
    outputs = net()(images())
    for task in map(TASKS.get, FIVE):
        assert task().key in outputs


def test_every_pixel_has_a_location_of_every_level_within_half_a_stride():
    size = (33, 70)
    locations = net(("detection",))(images(1, size))["instances"].locations
    rows, columns = torch.meshgrid(*(torch.arange(n) + 0.5 for n in size), indexing="ij")
    pixels = torch.stack([columns.flatten(), rows.flatten()], 1)
    start = 0
    for count, stride in zip(map(len, locations.levels), (4, 8, 16), strict=True):
        own = slice(start, start + count)
        assert locations.strides[own].unique().tolist() == [stride]
        away = (pixels[:, None] - locations.points[None, own]).abs().amax(2).amin(1)
        assert away.max() <= stride / 2
        start += count
    assert start == len(locations)


def test_ranges_of_the_levels_meet_and_leave_out_no_size():
    locations = net(("detection",))(images(1))["instances"].locations
    ranges = locations.ranges.unique(dim=0)
    assert ranges.tolist() == [[0.0, 12.0], [12.0, 24.0], [24.0, math.inf]]
    assert torch.equal(locations.ranges[:, 0].sort().values, locations.ranges[:, 0]), "the larger the coarser"


def test_depth_is_logarithmic_between_its_ends():
    raw = torch.tensor([-200.0, 0.0, 200.0]).view(1, 1, 1, 3)
    torch.testing.assert_close(Depth().activate(raw), torch.tensor([[[NEAR, math.sqrt(NEAR * FAR), FAR]]]))
    values = torch.linspace(-4, 4, 9, dtype=torch.float64).view(1, 1, 1, 9)
    expected = torch.log(torch.tensor(FAR / NEAR, dtype=torch.float64)) * torch.sigmoid(values[:, 0])
    torch.testing.assert_close((Depth().activate(values) / NEAR).log(), expected)


def test_it_starts_with_few_objects_at_a_plausible_depth():
    dense = net()(images())["instances"]
    assert dense.classes.sigmoid().mean().item() == pytest.approx(0.01, abs=0.005)
    assert dense.depth.mean().item() == pytest.approx(20, rel=0.2)


def test_evaluation_is_deterministic_and_an_image_is_the_same_in_a_batch():
    model, x = net(), images(3)
    together = model(x)
    for key in ("semantic", "depth"):
        assert torch.equal(model(x)[key], together[key])
    assert torch.equal(model(x)["instances"].boxes, together["instances"].boxes)
    for i in range(3):
        alone = model(x[i : i + 1])
        for key in ("semantic", "depth"):
            torch.testing.assert_close(alone[key][0], together[key][i], rtol=1e-4, atol=1e-5)
        for part in ("classes", "boxes", "centerness", "codes", "depth"):
            one, many = (getattr(outputs["instances"], part) for outputs in (alone, together))
            torch.testing.assert_close(one[0], many[i], rtol=1e-4, atol=1e-4)


def test_what_is_below_and_to_the_right_of_the_image_is_its_edge():
    """Padded by its own last pixels, so an image that ends in such pixels is the same one, cut."""
    x = images(1, (40, 70))
    wider = torch.nn.functional.pad(x, (0, 26, 0, 24), mode="replicate")
    model = net(("semantic", "detection"))
    small, large = model(x), model(wider)
    torch.testing.assert_close(small["semantic"], large["semantic"][..., :40, :70], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(small["instances"].classes, large["instances"].classes, rtol=1e-4, atol=1e-5)


# gradients


def truth(size=SIZE) -> InstanceLabels:
    """A square of each size in both images; one for every level."""
    boxes = torch.tensor([[4, 4, 14, 14], [20, 10, 40, 30], [10, 2, 74, 46]]).float()
    y, x = torch.meshgrid(torch.arange(size[0]) + 0.5, torch.arange(size[1]) + 0.5, indexing="ij")
    masks = torch.stack([(x > b[0]) & (x < b[2]) & (y > b[1]) & (y < b[3]) for b in boxes])
    depth, crowd = torch.tensor([5.0, 9.0, 30.0]), torch.zeros(3).bool()
    return InstanceLabels((Instances(boxes, torch.tensor([11, 13, 18]), masks, depth, crowd),) * 2)


def labels() -> dict[str, object]:
    g = torch.Generator().manual_seed(5)
    return {
        "semantic": torch.randint(0, 19, (2, *SIZE), generator=g),
        "depth": 2 + 50 * torch.rand(2, *SIZE, generator=g),
        "instances": truth(),
    }


LOSSES = [(name, raw.name) for name in FIVE for raw in TASKS.get(name)().raw_losses]


@pytest.mark.parametrize(("task", "loss"), LOSSES, ids=[loss for _, loss in LOSSES])
def test_every_raw_loss_has_a_gradient_at_every_image_and_only_at_its_own(task, loss):
    model, known = net().requires_grad_(False), labels()
    found = TASKS.get(task)()
    x = images().requires_grad_(True)
    value = found.losses(model(x)[found.key], known[found.key])[loss]
    (gradient,) = torch.autograd.grad(value[0], x)
    assert gradient.isfinite().all()
    assert gradient.flatten(1).any(1).tolist() == [True, False]


def test_every_weight_is_trained_by_some_loss():
    model, known = net().train(), labels()
    outputs = model(images())
    total = sum(TASKS.get(name)().loss(outputs[TASKS.get(name)().key], known[TASKS.get(name)().key]) for name in FIVE)
    total.sum().backward()
    without = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert without == []


# sizes


def test_the_papers_network_has_about_the_published_size():
    """UniNet 2021, table 1: 18 M parameters for segmentation and depth; its DLA-34 has 15.2 M without classifier."""
    with torch.device("meta"):
        two = build("uninet", {}, NetworkRequest(FIVE[:2], 19, PRESETS["uninet"]), "test")
        five = build("uninet", {}, NetworkRequest(FIVE, 19, PRESETS["uninet"]), "test")
    count = sum(p.numel() for p in two.parameters())
    assert count == pytest.approx(18e6, rel=0.1)
    towers = 2 * 4 * (9 * 256 * 256 + 2 * 256)
    pyramid = sum(c * 256 + 256 for c in (128, 256, 512)) + 3 * (9 * 256 * 256 + 256)
    last = sum(9 * 256 * outputs + outputs for outputs in (19, 4, 1, 1, 60)) + 3
    assert sum(p.numel() for p in five.parameters()) - count == towers + pyramid + last


def test_the_papers_levels_are_p3_to_p5():
    with torch.device("meta"):
        five = build("uninet", {}, NetworkRequest(FIVE, 19, PRESETS["uninet"]), "test")
    assert five.instances.strides == (8, 16, 32)
    assert five.instances.limits == (0.0, 64.0, 128.0, math.inf)
    assert five.instances.components.shape == (60, 28 * 28)


# what cannot be built


@pytest.mark.parametrize(
    ("tasks", "changes", "message"),
    [
        (("semantic", "flow"), {}, "no head for task 'flow'; the network's tasks are semantic, depth, normals, edges"),
        (("instance",), {}, "instance needs detection beside it"),
        (("semantic", "instance_depth"), {}, "instance_depth needs detection beside it"),
        (("detection",), {"instances": {"width": 12}}, "a multiple of 8"),
        (("detection",), {"instances": {"limits": [8.0]}}, "two limits"),
        (("detection",), {"decoder": {"skip_finest": 3}}, "three levels"),
        (("detection",), {"instances": {"widht": 16}}, "did you mean width"),
        (("depth",), {"decoder": {"heads": 8}}, "did you mean head"),
    ],
)
def test_bad_requests_are_one_line(tasks, changes, message):
    with pytest.raises(RobustsegError, match=message) as caught:
        net(tasks, **changes)
    assert "\n" not in str(caught.value)


# as the attacks see it


def test_classes_of_instances_merge_by_the_maximum():
    model, x = net(), images()
    alignment = align(CITYSCAPES19, CAMVID11)
    raw, merged = model(x), TargetModel(model, by_key("semantic", "instances"), alignment).outputs(x)
    dense = merged["instances"]
    assert dense.classes.shape[2] == merged["semantic"].shape[1] == len(CAMVID11)
    cars = [CITYSCAPES19.find(name) for name in ("car", "truck", "bus", "train")]
    expected = raw["instances"].classes[..., cars].amax(2)
    torch.testing.assert_close(dense.classes[..., CAMVID11.find("car")], expected)
    persons = raw["instances"].classes[..., CITYSCAPES19.find("person")]
    torch.testing.assert_close(dense.classes[..., CAMVID11.find("pedestrian")], persons)
    torch.testing.assert_close(dense.boxes, raw["instances"].boxes)


def test_the_wrong_number_of_instance_classes_is_one_line():
    target_model = TargetModel(net(("detection",), classes=5), by_key("instances"), align(CITYSCAPES19, CAMVID11))
    with pytest.raises(InputError, match="gives 5 channels for 19 classes; see --classes") as caught:
        target_model.outputs(images())
    assert "\n" not in str(caught.value)
    own = ClassSet("own", CITYSCAPES19.names, CITYSCAPES19.palette)
    with pytest.raises(InputError, match="gives 5 channels for 19 classes"):
        TargetModel(net(("detection",), classes=5), by_key("instances"), align(own, own)).outputs(images())


def test_half_precision_comes_back_as_float32():
    model, x = net(), images()
    keys = ("semantic", "depth", "instances")
    seen = {}
    for precision in ("fp32", "bf16"):
        target_model = TargetModel(model, by_key(*keys), precision=precision)
        target_model.gradient(x, lambda o: seen.update(last=o) or o["depth"].flatten(1).mean(1))
        seen[precision] = {key: output.detach() for key, output in seen["last"].items()}
    exact, half = seen["fp32"], seen["bf16"]
    assert half["semantic"].dtype == half["depth"].dtype == torch.float32
    assert not torch.equal(half["semantic"], exact["semantic"])
    torch.testing.assert_close(half["depth"], exact["depth"], rtol=0.05, atol=0.2)
    for part in ("classes", "boxes", "centerness", "codes", "depth"):
        rough, right = getattr(half["instances"], part), getattr(exact["instances"], part)
        assert rough.dtype == torch.float32
        assert not torch.equal(rough, right), part
        torch.testing.assert_close(rough, right, rtol=0.05, atol=0.2)
    assert half["instances"].locations.points.dtype == torch.float32
    task = TASKS.get("detection")()
    gradient = TargetModel(model, by_key(*keys), precision="bf16").gradient(
        x, lambda o: task.loss(o["instances"], truth())
    )
    assert gradient.dtype == torch.float32
    assert gradient.isfinite().all()
    assert gradient.flatten(1).any(1).all()
