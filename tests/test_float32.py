"""How a GPU multiplies is set and put back, whichever of torch's interfaces it was set through before."""

import pytest
import torch

from robustbench_seg.float32 import set_tf32, tf32


def now():
    backends = torch.backends
    return [products.fp32_precision for products in (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn)]


@pytest.fixture(autouse=True)
def _as_before():
    with tf32(False):
        yield


def test_inside_and_after():
    for allowed, inside in ((True, "tf32"), (False, "ieee")):
        with tf32(allowed):
            assert now() == [inside] * 3
            with pytest.raises(KeyError), tf32(not allowed):
                raise KeyError
            assert now() == [inside] * 3
        assert now() == ["ieee"] * 3
    set_tf32(True)
    assert now() == ["tf32"] * 3


@pytest.mark.parametrize("allowed", [True, False])
def test_what_was_set_through_the_older_interface_comes_back(allowed):
    before = torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = allowed
    try:
        with tf32(not allowed):
            assert now() == ["ieee" if allowed else "tf32"] * 3
        # Raises where the two interfaces disagree.
        assert torch.backends.cudnn.allow_tf32 is torch.backends.cuda.matmul.allow_tf32 is allowed
    finally:
        torch.backends.cudnn.allow_tf32 = True
        torch.set_float32_matmul_precision(before)
