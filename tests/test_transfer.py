"""Copies between the host and a device: on a CPU, and on one that is made believe to be a GPU."""

from dataclasses import dataclass

import pytest
import torch

from robustbench_seg.transfer import Arrival, Lagging, fetch, placed


def test_what_is_on_the_cpu_is_here_at_once():
    tensor = torch.arange(3.0, requires_grad=True)
    arrival = Arrival({"a": tensor, "b": {"c": tensor.detach()}})
    assert arrival.is_here()
    found = arrival.wait()
    assert torch.equal(found["a"], found["b"]["c"])
    assert not found["a"].requires_grad
    assert found["b"]["c"].data_ptr() == tensor.data_ptr(), "nothing is copied that is here already"


def test_a_tensor_alone():
    assert fetch(torch.tensor(2)) == 2
    assert placed(torch.tensor(2), "cpu") == 2


@dataclass(frozen=True, eq=False)
class Pair:
    """Something made of tensors."""

    first: torch.Tensor
    second: torch.Tensor | None
    size: tuple[int, int] = (2, 3)


def test_what_is_given_twice_is_copied_once():
    shared, leaf = Pair(torch.arange(2), torch.ones(2, requires_grad=True)), torch.ones(1, requires_grad=True)
    found = fetch({"a": {"pair": shared, "leaf": leaf}, "b": {"pair": shared, "leaf": leaf}})
    assert found["a"]["pair"] is found["b"]["pair"]
    assert found["a"]["leaf"] is found["b"]["leaf"]
    assert found["a"]["pair"] is not shared
    assert not found["a"]["pair"].second.requires_grad
    assert found["a"]["pair"].size == (2, 3)


def test_a_dataclass_all_of_which_is_here_stays_the_same():
    pair = Pair(torch.arange(2), None)
    assert fetch({"a": pair})["a"] is pair


@pytest.mark.parametrize(("answers", "asked"), [([False, False, True, True], 3), ([True], 1), ([False], 2)])
def test_asking_ends_with_the_first_yes(answers, asked):
    is_done, count = Lagging(), 0
    for answer in answers:
        count += 1
        if is_done(torch.tensor(answer)):
            break
    else:
        count += 1
    assert count == asked


class Late:
    """An arrival that is here when it has been asked for `after` times."""

    def __init__(self, flag, after=3):
        self.flag, self.left = flag, after

    def is_here(self):
        self.left -= 1
        return self.left <= 0

    def wait(self):
        return self.flag


def test_a_late_answer_is_not_waited_for(monkeypatch):
    monkeypatch.setattr("robustbench_seg.transfer.Arrival", Late)
    is_done = Lagging()
    assert [is_done(torch.tensor(value)) for value in (False, True, True, True, True)] == [False] * 4 + [True]
