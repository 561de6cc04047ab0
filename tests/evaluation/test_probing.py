"""The look at models before the work, where it cannot look."""

from robustbench_seg.checks.outputs import EvaluationMode
from robustbench_seg.evaluation.worker import Images
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
