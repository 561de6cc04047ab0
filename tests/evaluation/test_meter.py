import mmap
import os
import resource

import pytest
import torch
from torch import nn

from robustbench_seg.attacks.target_model import TargetModel
from robustbench_seg.evaluation import meter
from robustbench_seg.evaluation.meter import Meter


@pytest.fixture
def target_model():
    return TargetModel(nn.Identity(), [])


def test_a_reading_is_of_what_came_since_the_last(target_model):
    found = Meter(target_model, "cpu")
    target_model.outputs(torch.zeros(3, 3, 4, 4))
    first, second = found.read(), found.read()
    assert (first.forwards, first.backwards) == (3, 0)
    assert (second.forwards, second.backwards) == (0, 0)
    assert first.seconds > 0


def test_the_peak_of_one_reading_does_not_reach_the_next(target_model):
    found = Meter(target_model, "cpu")
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system cannot set the high-water mark back")
    # A mapping, not a tensor: the allocator may keep what a tensor frees (`keep_freed_memory`).
    with mmap.mmap(-1, 64 * 2**20) as pages:
        for page in range(0, len(pages), mmap.PAGESIZE):
            pages[page] = 1
    high, low = found.read().peak_memory_mb, found.read().peak_memory_mb
    assert high - low > 50


def test_where_the_mark_cannot_be_set_back_the_peak_is_that_of_the_process(target_model, monkeypatch, tmp_path):
    monkeypatch.setattr(meter, "_PROC", tmp_path / "none")
    found = Meter(target_model, "cpu").read().peak_memory_mb
    assert found == pytest.approx(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, rel=0.01)


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_the_counter_is_that_of_the_runs_own_device(target_model, monkeypatch, device):
    """Also where a GPU is there and the run is on the CPU."""
    asked = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device=None: asked.append(device) or 7 * 2**20)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", asked.append)
    found = Meter(target_model, device).read()
    if device == "cpu":
        assert asked == []
        assert found.peak_memory_mb > 7
    else:
        assert asked == [torch.device(device)] * 3, "set back, read, set back"
        assert found.peak_memory_mb == 7
