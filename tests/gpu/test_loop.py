"""The host does not wait for the device in a loop, and what it does wait for arrives."""

from __future__ import annotations

import contextlib
import warnings

import pytest
import torch

from robustbench_seg.attacks.pgd import PGD
from robustbench_seg.transfer import Arrival, placed
from tests.gpu.devices import CUDA


@contextlib.contextmanager
def waited():
    """What waited for the GPU in the block, as CUDA says it; tests/waits.py tells it of a CPU."""
    found = []
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            yield found
    finally:
        torch.cuda.set_sync_debug_mode("default")
    found += [f"{one.filename}:{one.lineno}" for one in seen if "synchronizing" in str(one.message)]


@pytest.mark.parametrize("device", [CUDA])
@pytest.mark.parametrize("norm", ["linf", "rms"])
def test_steps_do_not_wait(inside, device, norm):
    seen = inside(device)

    def steps(count):
        attack = PGD(steps=count)
        (objective,) = attack.objectives(["semantic"], seen.context.tasks)
        context = seen.context.under_attack(seen.batch, attack.adversarial_loss(objective, seen.reference))
        with seen.context.target_model.frozen(), waited() as found:
            attack(context, 4.0, norm)
        return found

    steps(2)
    few, many = steps(4), steps(8)
    assert len(few) == len(many), many


@pytest.mark.parametrize("device", [CUDA])
def test_a_copy_to_the_host_is_begun_and_not_waited_for(device):
    values = torch.arange(1_000_000, device=device)
    torch.cuda.synchronize()
    torch.cuda._sleep(2_000_000_000)
    arrival = Arrival({"values": values + 1})
    assert not arrival.is_here(), "a second of sleep lies before it"
    assert torch.equal(arrival.wait()["values"], torch.arange(1_000_000) + 1)
    assert arrival.is_here()


@pytest.mark.parametrize("device", [CUDA])
def test_a_copy_to_the_device_is_not_waited_for(device):
    tensor = torch.rand(1000, 1000)
    with waited() as found:
        there = placed(tensor, device)
    assert found == []
    assert torch.equal(there.cpu(), tensor)
