"""Each way to wait for a GPU is seen, and what does not wait is not."""

import copy
import threading

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms

from robustbench_seg.tasks.depth import Depth
from robustbench_seg.tasks.masked import masked_mean
from robustbench_seg.transfer import Arrival, Lagging, fetch, placed
from tests.waits import waits

X = torch.tensor([0.1, 0.9, 0.4, 0.6])
MASK = X > 0.5
COUNTS = torch.tensor([1, 0, 2, 1])


def assign(index, value):
    x = X.clone()
    x[index] = value


@pytest.mark.parametrize(
    ("operation", "call"),
    [
        ("aten._local_scalar_dense", X[0].item),
        ("aten._local_scalar_dense", lambda: float(X[0])),
        ("aten._local_scalar_dense", lambda: int(COUNTS[0])),
        ("aten._local_scalar_dense", lambda: bool(MASK.any())),
        ("aten._local_scalar_dense", lambda: 1 if MASK[0] else 0),
        ("aten._local_scalar_dense", lambda: torch.full((2,), X[0])),
        ("aten._local_scalar_dense", lambda: X[: COUNTS[0]]),
        ("aten._local_scalar_dense", lambda: f"{X[0]:.2f}"),
        ("aten.equal", lambda: torch.equal(X, X)),
        ("aten.allclose", lambda: torch.allclose(X, X)),
        ("aten.nonzero", MASK.nonzero),
        ("aten.nonzero", lambda: torch.where(MASK)),
        ("aten.masked_select", lambda: X.masked_select(MASK)),
        ("aten.index", lambda: X[MASK]),
        ("aten.index", lambda: X[[True, False, True, True]]),
        ("aten.index_put_", lambda: assign(MASK, 0.0)),
        ("aten.index_put", lambda: X.index_put((MASK,), X[:2])),
        ("aten.bincount", lambda: torch.bincount(COUNTS, minlength=5)),
        ("aten.histc", lambda: torch.histc(X, 3)),
        ("aten._unique2", lambda: torch.unique(X)),
        ("aten.unique_consecutive", lambda: torch.unique_consecutive(X)),
        ("aten.repeat_interleave", lambda: X.repeat_interleave(COUNTS)),
        ("aten.multinomial", lambda: torch.multinomial(X, 1)),
        ("torchvision.nms", lambda: batched_nms(torch.eye(4), X, COUNTS, 0.5)),
        ("cpu", X.cpu),
        ("numpy", X.numpy),
        ("numpy", lambda: np.asarray(X)),
        ("tolist", X.tolist),
        ("wait", lambda: fetch(X)),
        ("wait", lambda: Arrival({"a": X}).wait()),
        ("new_tensor", lambda: X.new_tensor([1.0, 2.0])),
        ("tensor", lambda: torch.tensor([1.0, 2.0], device=X.device)),
        ("as_tensor", lambda: torch.as_tensor([1.0, 2.0], device=X.device)),
    ],
)
def test_waiting_is_seen(operation, call):
    # A bound method of the tensor was looked up before the context replaces it.
    name = getattr(call, "__name__", "")
    with waits() as found:
        getattr(call.__self__, name)() if isinstance(getattr(call, "__self__", None), torch.Tensor) else call()
    assert [wait.operation for wait in found] == [operation]
    assert found[0].line.startswith("test_waits.py:")


@pytest.mark.parametrize(
    "call",
    [
        lambda: torch.where(MASK, X, 0.0),
        lambda: X.masked_fill(MASK, 1.0),
        lambda: X[COUNTS],
        lambda: X[1:3],
        lambda: assign(COUNTS, X),
        lambda: X.index_add(0, COUNTS, X),
        lambda: X.scatter(0, COUNTS, 1.0),
        lambda: X.repeat_interleave(COUNTS, output_size=4),
        lambda: X.topk(2).values.cumsum(0).sort().values.nanmedian(),
        lambda: torch.tensor([1.0, 2.0]),
        lambda: placed(X, "cpu"),
        lambda: Lagging()(MASK.any()),
        lambda: copy.deepcopy(X),
        lambda: masked_mean(X[None], MASK[None]),
    ],
)
def test_what_does_not_wait_is_not_recorded(call):
    with waits() as found:
        call()
    assert not found


def test_the_line_is_that_of_the_package():
    with waits() as found:
        Depth().saturation(X, 1 + X)
    assert {wait.operation for wait in found} == {"aten.index", "aten._local_scalar_dense"}
    assert all(wait.line.startswith("tasks/depth.py:") for wait in found)


def test_a_gradient_waits_too():
    x = X.clone().requires_grad_()
    total = x[MASK].square().sum()
    with waits() as found:
        torch.autograd.grad(total, x)
    assert found


def test_another_thread_may_wait():
    with waits() as found:
        thread = threading.Thread(target=X.tolist)
        thread.start()
        thread.join()
    assert not found


def test_all_is_as_before():
    before = torch.Tensor.cpu, torch.tensor, Arrival.wait, "numpy" in vars(torch.Tensor)
    with waits():
        pass
    assert (torch.Tensor.cpu, torch.tensor, Arrival.wait, "numpy" in vars(torch.Tensor)) == before
