"""What must hold is looked at when it is due."""

import pytest
import torch

from robustbench_seg.attacks.expectations import Expectations

YES, NO = torch.tensor([True, True]), torch.tensor([True, False])


def test_the_first_that_does_not_hold_is_raised_once():
    expectations, done = Expectations(), []
    expectations.add(YES, ValueError("first"), otherwise=lambda: done.append("first"))
    expectations.add(NO, ValueError("second"), otherwise=lambda: done.append("second"))
    expectations.add(NO, TypeError("third"), otherwise=lambda: done.append("third"))
    with pytest.raises(ValueError, match="second"):
        expectations.settle()
    assert done == ["second", "third"]
    expectations.settle()


@pytest.mark.parametrize("order", [(YES, NO), (NO, YES)])
def test_what_did_not_hold_once_does_not_hold(order):
    expectations = Expectations()
    for holds in order:
        expectations.add(holds, FloatingPointError("the same"))
    with pytest.raises(FloatingPointError, match="the same"):
        expectations.settle()


def test_nothing_expected_is_nothing_to_wait_for():
    Expectations().settle()


def test_of_equal_errors_the_first_knows_how_it_was():
    expectations, done = Expectations(), []
    for name in ("first", "second"):
        expectations.add(NO, ValueError("the same"), otherwise=lambda name=name: done.append(name))
    with pytest.raises(ValueError, match="the same"):
        expectations.settle()
    assert done == ["first"]
