from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.training.augment import augment, jitter
from robustbench_seg.training.batches import Source, indices, training_batch
from robustbench_seg.training.recipe import AugmentRecipe

STILL = (0.0, 0.0, 0.0, 0.0)
RULES = {name: TASKS.get(name)().label_rule for name in ("semantic", "depth")}


def _draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _grid() -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """An image whose grey value is its label / 100."""
    label = (torch.arange(40).view(-1, 1) // 10 * 4 + torch.arange(60) // 15).long()
    return (label / 100).expand(3, -1, -1).contiguous(), {"semantic": label, "depth": label.float() + 1}


def test_identity():
    image, labels = _grid()
    out, moved = augment(image, labels, RULES, AugmentRecipe(0.0, STILL), (40, 60), _draw())
    torch.testing.assert_close(out, image)
    for key, label in labels.items():
        torch.testing.assert_close(moved[key], label)


@pytest.mark.parametrize("seed", range(5))
def test_labels_follow_the_image(seed):
    image, labels = _grid()
    recipe = AugmentRecipe(0.5, STILL, (0.7, 1.5))
    out, moved = augment(image, labels, RULES, recipe, (32, 48), _draw(seed))
    assert out.shape == (3, 32, 48)
    seen = moved["semantic"] != 255
    away = (out[0] * 100 - moved["semantic"]).abs()[seen] < 0.51
    assert seen.float().mean() > 0.4
    # Only pixels beside an edge are mixtures.
    assert away.float().mean() > 0.75
    assert (moved["depth"] > 0).eq(seen).all()


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_zooming_in_brings_things_nearer(zoom):
    image, labels = torch.rand(3, 40, 60), {"depth": torch.full((40, 60), 10.0)}
    _, moved = augment(image, labels, RULES, AugmentRecipe(0.0, STILL, (zoom, zoom)), (40, 60), _draw())
    assert set(moved["depth"].unique().tolist()) - {0.0} == {10.0 / zoom}


def test_flip():
    image, labels = _grid()
    out, moved = augment(image, labels, RULES, AugmentRecipe(1.0, STILL), (40, 60), _draw())
    torch.testing.assert_close(out, image.flip(-1))
    torch.testing.assert_close(moved["semantic"], labels["semantic"].flip(-1))


def test_jitter_keeps_grey_grey_and_range():
    grey = torch.rand(1, 8, 8).expand(3, -1, -1)
    out = jitter(grey, (0.3, 0.3, 0.3, 0.1), _draw(3))
    assert (out - out[:1]).abs().max() < 1e-2
    out = jitter(torch.rand(3, 8, 8), (0.9, 0.9, 0.9, 0.5), _draw(4))
    assert 0 <= out.min() <= out.max() <= 1
    image = torch.rand(3, 8, 8)
    torch.testing.assert_close(jitter(image, STILL, _draw()), image, atol=1e-5, rtol=0)


def test_every_item_once_an_epoch():
    seen = [i for step in range(10) for i in indices(5, 3, step, seed=1)]
    for epoch in range(6):
        assert sorted(seen[epoch * 5 : epoch * 5 + 5]) == list(range(5))
    assert indices(5, 3, 4, seed=1) == seen[12:15]
    assert indices(50, 8, 0, seed=1) != indices(50, 8, 0, seed=2)


def test_batches_are_a_function_of_the_step(toy, recipe):
    first, second = (Source(toy, ("semantic", "depth"), cache) for cache in (True, False))
    for step in (3, 0):
        a, b = training_batch(first, recipe, step), training_batch(second, recipe, step)
        assert torch.equal(a.images, b.images)
        assert all(torch.equal(a.labels[key], b.labels[key]) for key in a.labels)
    assert not torch.equal(a.images, training_batch(first, recipe, 1).images)


@pytest.mark.parametrize("scale", [0.8, 1.25])
def test_threads_change_nothing(scale):
    image, before, seen = torch.rand(3, 160, 240), torch.get_num_threads(), []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        recipe = AugmentRecipe(scale=(scale, scale))
        seen.append(augment(image, {}, {}, recipe, (128, 192), _draw())[0])
    torch.set_num_threads(before)
    assert torch.equal(*seen)


def test_size(toy):
    image, labels = Source(toy, ("semantic", "depth"), size=(32, 48)).read(0)
    assert image.shape == (3, 32, 48)
    assert labels["semantic"].shape == labels["depth"].shape == (32, 48)
    assert set(np.unique(labels["semantic"])) <= {0, 1, 255}
    assert labels["semantic"].dtype == torch.int64
