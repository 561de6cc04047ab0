"""The look at models before the work, where it cannot look."""

import pytest
from torch import nn

from robustbench_seg.checks.outputs import EvaluationMode
from robustbench_seg.classes import CAMVID11
from robustbench_seg.evaluation.spec import InMemory
from robustbench_seg.evaluation.worker import Images
from robustbench_seg.models.base import LoadedModel
from robustbench_seg.models.registry import MODELS
from robustbench_seg.protocol import AttackPlan, Protocol

PROTOCOL = Protocol("noise", (AttackPlan("gaussian", (4.0,)),))
PROBING = "robustbench_seg.evaluation.probing"


class Leaves(EvaluationMode):
    def record(self, probe):
        raise SystemExit(2)


def test_where_none_of_the_first_images_can_be_read_nothing_is_checked(run_in, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{PROBING}.read", lambda context, images: Images([], []))
    run = run_in(tmp_path, "toy-single", protocol=PROTOCOL, limit=3)
    found = {finding.check: finding for finding in run.findings}
    assert (found["training_mode"].level, found["failed"].level) == ("note", "ok")


def test_a_model_that_ends_the_process_is_evaluated_all_the_same(run_in, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{PROBING}.MODEL_CHECKS", (Leaves(),))
    run = run_in(tmp_path, "toy-single", protocol=PROTOCOL, limit=3)
    found = {finding.check: finding for finding in run.findings}
    assert found["training_mode"].level == "note"
    assert "SystemExit" in found["training_mode"].text
    assert {row.status for row in run.rows} == {"ok"}


class Backwards(nn.Module):
    """The toy network with the inverse of its depth, where depth is asked for."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return {"depth": self.network(x)["depth"].reciprocal()}


@pytest.mark.parametrize(("wrapped", "level"), [(Backwards, "warn"), (nn.Sequential, "ok")])
def test_relative_depth_that_is_no_inverse_depth_is_noticed(run_in, tmp_path, wrapped, level):
    network = wrapped(MODELS.get("toy-multi")().module)
    relative = LoadedModel("relative", network.eval(), ("depth",), CAMVID11, "affine", "0" * 64, "test")
    run = run_in(tmp_path, models=[InMemory("relative", relative)], protocol=PROTOCOL, limit=4, in_process=True)
    found = {finding.check: finding for finding in run.findings}
    assert found["reversed"].level == level
    assert level == "ok" or "relative on toy, depth: in 100% of the images" in found["reversed"].text
