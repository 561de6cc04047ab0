from __future__ import annotations

import numpy as np
import torch

from robustbench_seg.street.dataset import Street
from robustbench_seg.street.labels import SMALLEST
from robustbench_seg.tasks.instances.truth import InstanceLabels, from_map, from_sample, to_map


def sample():
    return Street("street", "val", length=2, cache=False)[0].labels["instances"]


def test_a_sample_survives_the_way_through_a_map():
    label = sample()
    before = from_sample(label)
    after = from_map(to_map(before), before.labels, before.depth, before.crowd, before.smallest)
    assert len(before) > 5
    assert before.smallest == after.smallest == SMALLEST
    for name in ("boxes", "labels", "masks", "depth", "crowd"):
        assert torch.equal(getattr(before, name), getattr(after, name)), name


def test_what_is_hidden_is_left_out_and_boxes_end_at_outer_edges():
    items = torch.zeros(6, 8, dtype=torch.int64)
    items[1:3, 2:7] = 3
    found = from_map(items, torch.tensor([4, 5, 6]), torch.tensor([1.0, 2.0, 3.0]), torch.tensor([False, False, True]))
    assert found.boxes.tolist() == [[2.0, 1.0, 7.0, 3.0]]
    assert found.labels.tolist() == [6]
    assert found.depth.tolist() == [3.0]
    assert found.crowd.tolist() == [True]


def test_the_nearer_instance_hides_the_other():
    masks = torch.ones(2, 3, 3, dtype=torch.bool)
    label = {"boxes": [[0, 0, 3, 3]] * 2, "labels": [1, 2], "masks": masks.numpy(), "depth": [9.0, 4.0]}
    assert (to_map(from_sample(label)) == 2).all()
    assert (to_map(from_sample(label | {"crowd": [False, True]})) == 1).all()


def test_small_and_unnamed_instances_are_ignored():
    masks = np.zeros((4, 40, 40), np.bool_)
    masks[0, :20, :20] = True
    masks[1, :7, :7] = True  # both sides under 8 px
    masks[2, :23, :1] = True  # 23 pixels
    masks[3, :8, :3] = True  # 8 px long, 24 pixels: counts
    boxes = [[0, 0, 20, 20], [0, 0, 7, 7], [0, 0, 1, 23], [0, 0, 3, 8]]
    label = {"boxes": boxes, "labels": [3, 3, 3, 3], "masks": masks, "depth": [1, 1, 1, 1]}
    assert not from_sample(label).ignored.any(), "unless the label says so"
    label |= {"smallest": (8, 24)}
    assert from_sample(label).ignored.tolist() == [False, True, True, False]
    label_map = np.full(256, 255)
    assert from_sample(label, label_map).ignored.all()
    assert from_sample(label | {"crowd": [True, False, False, False]}).ignored.tolist() == [True, True, True, False]
    label_map[3] = 7
    assert from_sample(label, label_map).labels.tolist() == [7, 7, 7, 7]


def test_a_batch_is_sliced_like_a_tensor():
    one = from_sample(sample())
    batch = InstanceLabels((one, one, one))
    assert len(batch[1:3]) == 2
    assert batch[0] is one
    assert from_map(torch.zeros(4, 4, dtype=torch.int64), one.labels, one.depth, one.crowd).ignored.shape == (0,)
