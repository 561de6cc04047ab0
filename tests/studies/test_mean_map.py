"""Models that predict the mean of a data set."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.studies.mean_map import constant, mean_depth, mean_normals


class Labelled(list):
    """A data set of labels alone."""

    classes = CITYSCAPES19

    def __init__(self, key: str, *labels: object) -> None:
        super().__init__(type("Sample", (), {"labels": {key: np.array(label, np.float32)}}) for label in labels)


def test_the_mean_depth_is_of_valid_pixels():
    data = Labelled("depth", [[2.0, 0.0, 90.0]], [[4.0, 6.0, 0.0]])
    model = constant("mean depth", "depth", mean_depth(data), data, depth_align="median")
    assert (model.name, model.value.depth_align, model.value.tasks) == ("mean depth", "median", ("depth",))
    assert model.value.module(torch.zeros(2, 3, 1, 3))["depth"].tolist() == [[[3.0, 6.0, 80.0]]] * 2


def test_the_mean_normal_is_a_direction():
    up, ahead, none = [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]
    pixels = [[up, up, none], [up, ahead, none]]
    data = Labelled("normals", *(np.array(row).T[:, None] for row in pixels))
    everywhere, by_pixel = mean_normals(data)
    mean = torch.tensor([0.0, 3.0, 1.0]) / 10**0.5
    assert everywhere[:, 0].T.numpy() == pytest.approx(np.array([mean.tolist()] * 3))
    diagonal = [0.0, 0.5**0.5, 0.5**0.5]
    assert by_pixel[:, 0].T.numpy() == pytest.approx(np.array([up, diagonal, mean.tolist()]))
