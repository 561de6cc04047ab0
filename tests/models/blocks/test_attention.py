from __future__ import annotations

import torch
import torch.nn.functional as F

from robustbench_seg.models.blocks.attention import Distillation, GatedMessage


def test_message_is_gated_by_its_own_source():
    message, x = GatedMessage(3), torch.randn(2, 3, 5, 5)
    value, gate = message[0].weight.chunk(2)
    expected = F.conv2d(x, value, padding=1) * F.conv2d(x, gate, padding=1).sigmoid()
    torch.testing.assert_close(message(x), expected)


def test_distillation_sums_the_other_tasks_messages():
    distil = Distillation(("a", "b"), ("a", "b", "c"), 3)
    maps = {task: torch.randn(1, 3, 4, 4) for task in "abc"}
    messages = distil.messages["a"]
    expected = maps["a"] + messages["b"](maps["b"]) + messages["c"](maps["c"])
    found = distil(maps)
    assert set(found) == {"a", "b"}
    torch.testing.assert_close(found["a"], expected)
