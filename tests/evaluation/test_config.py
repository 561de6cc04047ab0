import pytest

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.config import EvaluationConfig, refuse_precision, refuse_shared_tf32, resolve_device
from robustbench_seg.protocol import Protocol


def test_auto_is_the_gpu_where_there_is_one(monkeypatch):
    for there, device in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr("torch.cuda.is_available", lambda there=there: there)
        assert resolve_device("auto") == device
    assert resolve_device("cpu") == "cpu"


def test_a_device_that_is_not_here():
    with pytest.raises(UsageError, match="device 'cuda:99' is not available here"):
        resolve_device("cuda:99")


def test_a_cpu_has_no_tf32():
    refuse_precision("tf32", "cuda:1")
    with pytest.raises(UsageError, match="tf32 is for a GPU, not for device 'cpu'"):
        refuse_precision("tf32", "cpu")


@pytest.mark.parametrize(("how", "named"), [({"precision": "tf32"}, "precision tf32 is"), ({"fast": True}, "fast may")])
def test_workers_of_one_process_share_the_switch_for_tf32(how, named):
    def config(**changes):
        return EvaluationConfig([], [], Protocol("none", ()), **how | changes)

    refuse_shared_tf32(config(workers=2), "cuda")
    refuse_shared_tf32(config(workers=1, in_process=True), "cuda")
    refuse_shared_tf32(config(workers=2, in_process=True), "cpu")
    with pytest.raises(UsageError, match=f"{named}.*2 workers share this one"):
        refuse_shared_tf32(config(workers=2, in_process=True), "cuda")
