"""Between two rows of the log a training does not wait for a GPU."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from robustbench_seg.training.loop import _initial_state, _prepare
from robustbench_seg.training.place import open_place
from tests.waits import waits


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("changes", [{}, {"balance": "geometric", "depth_loss": "log_rmse"}])
def test_labelled(recipe, toy, precision, changes):
    assert not _waits(replace(recipe, **changes), toy, None, precision)


def _waits(recipe, toy, sets, precision="fp32"):
    """Those of the forward, the losses and the gradients of a step."""
    place = open_place(precision=precision)
    run = _prepare(recipe, toy, toy, sets, Path("unused"), place)
    objective = place.objective(_initial_state(run).module, run.method.loss)
    batch = run.method.batch(0)
    with waits() as found:
        objective(batch.to(torch.device("cpu"))).backward()
    return set(found)
