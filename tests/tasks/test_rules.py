from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_seg.classes import VOID
from robustbench_seg.tasks.instances.truth import from_sample
from robustbench_seg.tasks.registry import TASKS
from robustbench_seg.tasks.rules import View, cut
from robustbench_seg.training.augment import augment
from robustbench_seg.training.recipe import AugmentRecipe

HEIGHT, WIDTH = 40, 60
RULES = {task.key: task.label_rule for task in (TASKS.get(name)() for name in TASKS)}
STILL = (0.0, 0.0, 0.0, 0.0)
WHOLE = View((0, 0, HEIGHT, WIDTH), (HEIGHT, WIDTH), 1.0, False)
FLIPPED = View((0, 0, HEIGHT, WIDTH), (HEIGHT, WIDTH), 1.0, True)
SHIFTED = View((-6, 20, HEIGHT, WIDTH), (HEIGHT, WIDTH), 1.0, False)
"""Six rows above the image, and its columns from 20 on."""
TWICE = View((10, 16, 20, 30), (HEIGHT, WIDTH), 2.0, False)


def box_mask(left, top, right, bottom):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[top:bottom, left:right] = True
    return mask


def sample_labels() -> dict[str, object]:
    """Two rectangles apart, an L whose box has a corner of another, and one of void class."""
    corner = box_mask(4, 24, 16, 36) & ~box_mask(10, 24, 16, 30)
    masks = np.stack([box_mask(2, 2, 14, 18), box_mask(30, 12, 50, 28), corner, box_mask(52, 0, 60, 10)])
    boxes = np.array([[2, 2, 14, 18], [30, 12, 50, 28], [4, 24, 16, 36], [52, 0, 60, 10]], np.float32)
    return {
        "boxes": boxes,
        "labels": np.array([11, 13, 18, VOID]),
        "masks": masks,
        "depth": np.array([4.0, 12.0, 0.0, 30.0], np.float32),
    }


def seen(label, view):
    rule = RULES["instances"]
    return rule.finish(rule.view(rule.read(label), view))


def manifest(mask):
    """The box of a mask, from outer edge to outer edge."""
    rows, columns = mask.any(1).nonzero()[:, 0], mask.any(0).nonzero()[:, 0]
    return [columns.min().item(), rows.min().item(), columns.max().item() + 1, rows.max().item() + 1]


# instances


def test_the_identity_leaves_instances_as_they_are():
    expected, found = from_sample(sample_labels()), seen(sample_labels(), WHOLE)
    assert torch.equal(found.masks, expected.masks)
    assert torch.equal(found.boxes, expected.boxes)
    assert torch.equal(found.labels, expected.labels)
    assert torch.equal(found.depth, expected.depth)


@pytest.mark.parametrize("view", [FLIPPED, SHIFTED, TWICE], ids=["flip", "crop", "zoom"])
def test_boxes_are_those_of_the_moved_masks(view):
    moved = seen(sample_labels(), view)
    for box, mask in zip(moved.boxes, moved.masks, strict=True):
        assert box.tolist() == manifest(mask)
    assert moved.boxes.dtype == moved.depth.dtype == torch.float32
    assert moved.labels.dtype == torch.int64
    assert moved.masks.shape == (len(moved), HEIGHT, WIDTH)


def test_a_flip_mirrors_masks_and_boxes():
    label = from_sample(sample_labels())
    moved = seen(sample_labels(), FLIPPED)
    assert torch.equal(moved.masks, label.masks.flip(-1))
    left, top, right, bottom = label.boxes.unbind(1)
    assert torch.equal(moved.boxes, torch.stack([WIDTH - right, top, WIDTH - left, bottom], 1))
    assert torch.equal(moved.labels, label.labels)


def test_a_crop_leaves_what_is_still_to_see():
    """20 columns to the left: the first and third are gone, the others moved and 6 rows down."""
    moved = seen(sample_labels(), SHIFTED)
    assert moved.labels.tolist() == [13, VOID]
    assert moved.boxes.tolist() == [[10, 18, 30, 34], [32, 6, 40, 16]]
    assert moved.depth.tolist() == [12, 30]
    assert not moved.masks[:, :6].any(), "outside is background"
    assert not moved.masks[:, :, 40:].any()


def test_a_zoom_brings_instances_nearer_and_cuts_them_off():
    moved = seen(sample_labels(), TWICE)
    assert moved.labels.tolist() == [13]
    assert moved.boxes.tolist() == [[28, 4, 60, 36]], "16 of its 20 columns are in the window"
    assert moved.depth.tolist() == [6]


def test_an_unknown_depth_stays_unknown():
    moved = seen(sample_labels(), View((20, 0, 20, 30), (HEIGHT, WIDTH), 2.0, False))
    assert moved.depth[moved.labels == 18].tolist() == [0]


def test_nothing_left_to_see_is_no_instance():
    moved = seen(sample_labels(), View((38, 20, 2, 3), (HEIGHT, WIDTH), 20.0, True))
    assert len(moved) == 0
    assert moved.boxes.shape == (0, 4)
    assert moved.masks.shape == (0, HEIGHT, WIDTH)
    assert moved.ignored.shape == (0,)


def test_no_instance_at_all():
    empty = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, int), "masks": np.zeros((0, HEIGHT, WIDTH), bool)}
    for view in (WHOLE, FLIPPED, TWICE):
        assert len(seen({**empty, "depth": np.zeros(0)}, view)) == 0


@pytest.mark.parametrize("seed", range(4))
def test_instances_move_as_the_classes_of_their_pixels(seed):
    """Through the whole augmentation: labels, masks and boxes stay those of one another."""
    made = from_sample(sample_labels())
    semantic = torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8)
    for label, mask in zip(made.labels, made.masks, strict=True):
        semantic[mask] = label.to(torch.uint8)
    labels = {"semantic": semantic, "instances": RULES["instances"].read(sample_labels())}
    generator = torch.Generator().manual_seed(seed)
    image, moved = augment(
        torch.zeros(3, HEIGHT, WIDTH), labels, RULES, AugmentRecipe(0.5, STILL, (0.6, 2.0)), (32, 48), generator
    )
    found = RULES["instances"].finish(moved["instances"])
    assert image.shape == (3, 32, 48)
    assert len(found) > 0
    painted = torch.zeros(32, 48, dtype=torch.uint8)
    for label, box, mask in zip(found.labels, found.boxes, found.masks, strict=True):
        painted[mask] = label.to(torch.uint8)
        assert box.tolist() == manifest(mask)
    inside = moved["semantic"] != VOID
    assert torch.equal(painted[inside], moved["semantic"][inside])
    assert not (found.masks & ~inside)[found.labels != VOID].any()


def test_a_batch_keeps_each_images_own():
    batch = RULES["instances"].collate([seen(sample_labels(), view) for view in (WHOLE, SHIFTED)])
    assert [len(image) for image in batch] == [4, 2]
    assert batch[1:].images[0] is batch[1]


def test_instances_at_another_size():
    rule = RULES["instances"]
    small = rule.finish(rule.resize(rule.read(sample_labels()), (20, 30)))
    assert small.masks.shape == (4, 20, 30)
    assert small.boxes[0].tolist() == [1, 1, 7, 9]
    assert small.depth.tolist() == [4, 12, 0, 30], "a smaller picture of the same things is no further away"


# maps


def test_mirrored_normals_look_the_other_way():
    normals = torch.nn.functional.normalize(torch.randn(3, HEIGHT, WIDTH), dim=0)
    moved = RULES["normals"].view(RULES["normals"].read(normals), FLIPPED)
    assert torch.equal(moved[0], -normals[0].flip(-1))
    assert torch.equal(moved[1:], normals[1:].flip(-1))
    again = RULES["normals"].view(moved, FLIPPED)
    assert torch.equal(again, normals)


@pytest.mark.parametrize("view", [SHIFTED, TWICE], ids=["crop", "zoom"])
def test_normals_keep_their_length_and_have_none_outside(view):
    normals = torch.nn.functional.normalize(torch.randn(3, HEIGHT, WIDTH), dim=0)
    length = RULES["normals"].view(normals, view).square().sum(0)
    seen_there = RULES["semantic"].view(torch.zeros(HEIGHT, WIDTH, dtype=torch.uint8), view) != VOID
    torch.testing.assert_close(length, seen_there.float(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("key", "outside", "dtype"),
    [
        ("semantic", VOID, torch.int64),
        ("edges", VOID, torch.int64),
        ("depth", 0.0, torch.float32),
        ("normals", 0.0, torch.float32),
    ],
)
def test_outside_has_no_label(key, outside, dtype):
    rule = RULES[key]
    shape = (3, HEIGHT, WIDTH) if key == "normals" else (HEIGHT, WIDTH)
    source = np.ones(shape, np.float32 if dtype.is_floating_point else np.uint8)
    label = rule.finish(rule.view(rule.read(source), SHIFTED))
    assert label.dtype == dtype
    assert (label[..., :6, :] == outside).all()
    assert (label[..., :, 40:] == outside).all()
    assert (label[..., 6:, :40] == 1).all()


@pytest.mark.parametrize("key", ["semantic", "edges", "depth", "normals"])
def test_the_identity_leaves_maps_as_they_are(key):
    shape = (3, HEIGHT, WIDTH) if key == "normals" else (HEIGHT, WIDTH)
    label = torch.rand(shape) if key in ("depth", "normals") else torch.randint(0, 19, shape, dtype=torch.uint8)
    assert torch.equal(RULES[key].view(label, WHOLE), label)
    assert torch.equal(RULES[key].finish(label), label)


def test_a_zoom_brings_depth_nearer_and_leaves_classes():
    depth = torch.arange(HEIGHT * WIDTH).view(HEIGHT, WIDTH).float() + 1
    moved = RULES["depth"].view(depth, TWICE)
    assert torch.equal(moved[::2, ::2], depth[10:30, 16:46] / 2)
    assert torch.equal(moved[1::2, 1::2], moved[::2, ::2])
    classes = torch.randint(0, 19, (HEIGHT, WIDTH), dtype=torch.uint8)
    assert torch.equal(RULES["semantic"].view(classes, TWICE)[::2, ::2], classes[10:30, 16:46])


def test_reading_leaves_the_sample_alone():
    source = np.ones((HEIGHT, WIDTH), np.float32)
    RULES["depth"].read(source)[:] = 5
    assert (source == 1).all()
    label = sample_labels()
    items = RULES["instances"].read(label)
    items.depth[:] = 5
    items.items[:] = 0
    assert label["depth"][0] == 4
    assert label["masks"].any()


def test_cut_repeats_the_edge_where_there_is_no_fill():
    x = torch.arange(12.0).view(1, 1, 3, 4)
    window = (-1, 2, 3, 4)
    assert cut(x, window, None)[0, 0].tolist() == [[2, 3, 3, 3], [2, 3, 3, 3], [6, 7, 7, 7]]
    assert cut(x, window, 9)[0, 0].tolist() == [[9, 9, 9, 9], [2, 3, 9, 9], [6, 7, 9, 9]]
