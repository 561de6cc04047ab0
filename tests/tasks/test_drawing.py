from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from robustbench_seg.classes import ClassSet
from robustbench_seg.tasks.base import Task
from robustbench_seg.tasks.instances.task import SHOWN_SCORE
from robustbench_seg.tasks.registry import TASKS
from tests.tasks.made_instances import HEIGHT, VOID, WIDTH, Found, Known, labelled, predicted

PALETTE = ((0, 0, 142), (220, 20, 60), (0, 255, 0), (255, 255, 255))
CLASSES = ClassSet("tiny", ("car", "person", "plant", "sky"), PALETTE)
BOX, OTHER, SMALL = (10, 12, 34, 44), (50, 8, 90, 56), (2, 2, 6, 6)
GREY = torch.full((3, HEIGHT, WIDTH), 0.6)
DRAWER = TASKS.get("instance")()


def task(name: str) -> Task:
    return TASKS.get(name)()


def output(*found: Found, masks: bool = True) -> np.ndarray:
    dense = predicted([[], list(found)])
    if not masks:
        dense = dataclasses.replace(dense, codes=None, basis=None)
    return DRAWER.draw_output(dense, 1, GREY, CLASSES).astype(int)


def label(*known: Known) -> np.ndarray:
    return DRAWER.draw_label(labelled([[Known(BOX, 0)], list(known)]), 1, GREY, CLASSES).astype(int)


def background() -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), int(0.6 * 127))


def lightened(index: int) -> list[int]:
    return [value // 2 + 127 for value in PALETTE[index]]


# instances


def test_nothing_is_drawn_for_nothing():
    for drawn in (output(), output(masks=False), label()):
        assert np.array_equal(drawn, background())


def test_what_is_not_sure_is_not_drawn():
    assert np.array_equal(output(Found(BOX, 1, SHOWN_SCORE - 0.01)), background())
    assert not np.array_equal(output(Found(BOX, 1, SHOWN_SCORE + 0.01)), background())


def test_what_does_not_count_is_not_drawn():
    assert np.array_equal(label(Known(SMALL, 1), Known(BOX, VOID)), background())


@pytest.mark.parametrize("index", range(4))
def test_a_box_has_the_lightened_colour_of_its_class(index):
    """The outline and nothing else, where there are no masks."""
    drawn = output(Found(BOX, index), masks=False)
    coloured = (drawn != background()).any(2)
    left, top, right, bottom = BOX
    inside = np.zeros_like(coloured)
    inside[top:bottom, left:right] = True
    inside[top + 1 : bottom - 1, left + 1 : right - 1] = False
    assert np.array_equal(coloured, inside)
    assert (drawn[coloured] == lightened(index)).all()


def test_masks_are_tinted_and_each_thing_has_its_own_colour():
    found, known = output(Found(BOX, 0), Found(OTHER, 2)), label(Known(BOX, 0), Known(OTHER, 2))
    assert np.array_equal(found, known), "what fills its box is drawn as what does so in truth"
    for (left, top, right, bottom), index in ((BOX, 0), (OTHER, 2)):
        mixed = 0.4 * background()[0, 0] + 0.6 * np.array(lightened(index))
        assert np.abs(found[top + 2 : bottom - 2, left + 2 : right - 2] - mixed).max() <= 1
        assert (found[top, left:right] == lightened(index)).all()
    assert np.array_equal(found[60:], background()[60:])


def test_the_surest_of_two_overlapping_masks_is_seen():
    drawn = output(Found(BOX, 0, 0.9), Found((BOX[0], BOX[1], BOX[2] + 16, BOX[3]), 2, 0.5))
    alone = output(Found(BOX, 0, 0.9))
    inside = (slice(BOX[1] + 3, BOX[3] - 3), slice(BOX[0] + 3, BOX[2] - 3))
    assert np.array_equal(drawn[inside], alone[inside])


def test_a_mask_that_is_not_its_box():
    drawn = label(Known(OTHER, 2, round=True))
    tinted = drawn[32, 70]
    left, top = OTHER[:2]
    assert (drawn[top + 2, left + 2] == background()[0, 0]).all(), "a corner of the box lies outside the ellipse"
    assert (tinted != background()[0, 0]).any()


def test_an_empty_mask_and_a_box_at_the_edge_are_no_error():
    dense = predicted([[Found((80, 40, 96, 64), 1)]])
    empty = dataclasses.replace(dense, basis=dataclasses.replace(dense.basis, mean=torch.zeros(28 * 28)))
    assert not empty.detections()[0].masks.any()
    drawn = DRAWER.draw_output(empty, 0, GREY, CLASSES).astype(int)
    assert (drawn[45, 80] == lightened(1)).all()
    assert (drawn[50, 88] == background()[0, 0]).all()


# all of them


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (33, 70)])
def test_pictures_have_the_size_of_the_image(size):
    image = torch.rand(3, *size)
    semantic, depth = torch.randint(0, 4, (1, *size)), 2 + 50 * torch.rand(1, *size)
    drawn = [
        task("semantic").draw_output(torch.randn(1, 4, *size), 0, image, CLASSES),
        task("semantic").draw_label(semantic, 0, image, CLASSES),
        task("depth").draw_output(depth, 0, image, CLASSES),
        task("depth").draw_label(depth, 0, image, CLASSES),
    ]
    assert {(picture.shape, picture.dtype.name) for picture in drawn} == {((*size, 3), "uint8")}


def test_classes_have_their_colours_and_void_is_black():
    label = torch.tensor([[[0, 1], [3, VOID]]])
    drawn = task("semantic").draw_label(label, 0, GREY, CLASSES)
    assert drawn.reshape(-1, 3).tolist() == [list(PALETTE[0]), list(PALETTE[1]), list(PALETTE[3]), [0, 0, 0]]
    logits = torch.nn.functional.one_hot(label.clamp(max=2), 4).permute(0, 3, 1, 2).float()
    assert task("semantic").draw_output(logits, 0, GREY, CLASSES)[0, 1].tolist() == list(PALETTE[1])


def test_near_is_bright_and_unknown_is_black():
    depth = torch.tensor([[[2.0, 10.0, 40.0, 79.0, 0.0]]])
    drawn = task("depth").draw_label(depth, 0, GREY, CLASSES)[0].astype(int).sum(1)
    assert (np.diff(drawn[:4]) < 0).all()
    assert drawn[4] == 0
