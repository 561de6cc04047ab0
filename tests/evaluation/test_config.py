import pytest

from robustbench_seg.errors import UsageError
from robustbench_seg.evaluation.config import refuse_precision, resolve_device


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
