from __future__ import annotations

import torch

from robustbench_seg.models.base import restricted


def test_other_networks_are_left_as_they_are():
    net = torch.nn.Identity()
    assert restricted(net, ["semantic"]) is net
