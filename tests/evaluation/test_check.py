from dataclasses import replace

from torch import nn

from robustbench_seg.evaluation.check import check_model
from robustbench_seg.models.registry import MODELS


class Detached(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, images):
        return self.net(images.detach())


def test_a_model_that_can_be_attacked(monkeypatch):
    monkeypatch.setattr("robustbench_seg.models.cost.REPEATS", 1)
    text = "\n".join(check_model(MODELS.get("toy-multi")(), (16, 16), "cpu"))
    for part in ("toy-multi", "semantic: (11, 75, 101)", "depth: (75, 101)", "gradient at the input: RMS", "GMAC"):
        assert part in text


def test_a_model_without_a_gradient():
    model = MODELS.get("toy-single")()
    lines = check_model(replace(model, module=Detached(model.module)), (16, 16), "cpu")
    assert "gradient at the input: RMS 0" in lines
