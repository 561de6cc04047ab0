from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_seg.data.base import Dataset, Sample
from robustbench_seg.errors import InputError
from robustbench_seg.models.blocks.normalization import PRESETS
from robustbench_seg.models.catalogue.weights import rounded
from robustbench_seg.models.networks.base import NetworkRequest
from robustbench_seg.models.networks.build import build
from robustbench_seg.tasks.instances.masks import SIDE, crops, fit
from robustbench_seg.training.batches import Source
from robustbench_seg.training.mask_basis import fit_masks
from tests.training.conftest import CLASSES

NANO = {
    "encoder": "resnet18",
    "encoder_args": {"channels": [8, 8, 16, 16], "layers": [1, 1, 1, 1], "stem_type": "deep", "stem_width": 8},
    "decoder": {"width": 16, "bottleneck": 8, "head": 8, "extra": 1, "extra_width": 16, "skip_finest": 0},
    "instances": {"width": 16, "convs": 1, "codes": 5, "limits": [12.0, 24.0]},
}
HEIGHT, WIDTH = 48, 64


class Ellipses(Dataset):
    """Ellipses with a bite out of one side, one tiny, one of void class; the images do not matter."""

    name = "ellipses"
    classes = CLASSES
    tasks = ("semantic", "detection", "instance")
    smallest = (8, 24)

    def __init__(self, count: int = 12) -> None:
        self.ids = [f"{i:03d}" for i in range(count)]
        self.groups = self.ids

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng(index)
        y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
        width, height, bite = rng.uniform(5, 12), rng.uniform(5, 10), rng.uniform(2, 6)
        body = ((x - 16) / width) ** 2 + ((y - 20) / height) ** 2 < 1
        body &= (x - 16 - width) ** 2 + (y - 20) ** 2 > bite**2
        tiny, void = (x < 6) & (y > 44), (x > 40) & (y < 20) & (x + y < 70)
        masks = np.stack([body, tiny, void])
        labels = {
            "semantic": np.zeros((HEIGHT, WIDTH), np.uint8),
            "instances": {
                "boxes": np.array([_box(mask) for mask in masks], np.float32),
                "labels": np.array([1, 1, 255]),
                "masks": masks,
                "depth": np.full(3, 5.0, np.float32),
                "smallest": self.smallest,
            },
        }
        return Sample(self.ids[index], np.zeros((HEIGHT, WIDTH, 3), np.uint8), labels)

    def fingerprint(self) -> str:
        return f"ellipses {len(self)}"


def _box(mask):
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return columns[0], rows[0], columns[-1] + 1, rows[-1] + 1


def net(tasks=("semantic", "detection", "instance")):
    torch.manual_seed(0)
    return build("uninet", NANO, NetworkRequest(tasks, 3, PRESETS["none"]), "test").eval()


@pytest.fixture
def source() -> Source:
    return Source(Ellipses(), ("detection", "instance"))


def squares(source) -> torch.Tensor:
    """The one mask a picture that counts, cut out by its box."""
    found = []
    for index in range(len(source.dataset)):
        truth = source.read(index)[1]["instances"]
        assert truth.ignored.tolist() == [False, True, True]
        found.append((crops(truth.masks[:1], truth.boxes[:1]) >= 0.5).float())
    return torch.cat(found)


def test_the_basis_is_that_of_the_masks_that_count(source):
    module = net()
    before = {key: value.clone() for key, value in module.state_dict().items()}
    fit_masks(module, source)
    expected = fit(squares(source), 5)
    assert torch.equal(module.instances.mean, expected.mean)
    assert torch.equal(module.instances.components, expected.components)
    assert module.instances.components.count_nonzero() > 0
    basis = {"instances.mean", "instances.components"}
    changed = {key for key, value in module.state_dict().items() if not torch.equal(value, before[key])}
    assert changed == basis


def test_what_it_is_fitted_to_it_codes_better_than_the_mean_mask_does(source):
    module = net()
    fit_masks(module, source)
    dense = module(torch.rand(1, 3, HEIGHT, WIDTH))["instances"]
    masks = squares(source)
    assert torch.equal(dense.basis.mean, module.instances.mean)
    error = (dense.basis.decode(dense.basis.encode(masks)) - masks).square().mean()
    assert error < 0.3 * (masks - masks.mean(0)).square().mean()


def test_it_is_deterministic(source):
    one, two = net(), net()
    fit_masks(one, source)
    fit_masks(two, Source(Ellipses(), ("instance", "detection"), cache=True))
    assert torch.equal(one.instances.components, two.instances.components)


@pytest.mark.parametrize("tasks", [("semantic",), ("semantic", "detection")])
def test_networks_without_mask_codes_are_left_alone(tasks):
    class Unread(Ellipses):
        def __getitem__(self, index: int) -> Sample:
            raise AssertionError("read for nothing")

    module = net(tasks)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    fit_masks(module, Source(Unread(), ("detection",)))
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


def test_it_travels_with_the_weights_and_survives_their_rounding(source):
    module = net()
    fit_masks(module, source)
    state = rounded(module)
    assert state["instances.components"].dtype == torch.float16
    loaded = net()
    loaded.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})
    torch.testing.assert_close(loaded.instances.mean, module.instances.mean, rtol=0, atol=1e-3)
    torch.testing.assert_close(loaded.instances.components, module.instances.components, rtol=0, atol=1e-3)
    masks, basis = squares(source), loaded(torch.rand(1, 3, HEIGHT, WIDTH))["instances"].basis
    exact = fit(masks, 5)
    back, right = basis.decode(basis.encode(masks)), exact.decode(exact.encode(masks))
    assert masks.shape == (12, SIDE * SIDE)
    torch.testing.assert_close(back, right, rtol=0, atol=1e-2)


def test_nothing_to_learn_from_is_an_error(monkeypatch):
    net = build("uninet", NANO, NetworkRequest(("detection", "instance"), len(CLASSES), PRESETS["imagenet"]), "test")
    monkeypatch.setattr(Ellipses, "smallest", (8, 10**6))
    with pytest.raises(InputError, match="ellipses has no instance to learn masks from"):
        fit_masks(net, Source(Ellipses(2), ("detection", "instance")))
