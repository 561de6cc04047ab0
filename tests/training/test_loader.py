"""Batches are the same whoever makes them."""

from __future__ import annotations

import pytest
import torch

from robustbench_seg.errors import InputError
from robustbench_seg.training.batches import Part, Source, training_batch
from robustbench_seg.training.loader import batches

CPU = torch.device("cpu")


def _same(one, other):
    return torch.equal(one.images, other.images) and all(
        torch.equal(one.labels[key], other.labels[key]) for key in ("semantic", "depth")
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_make_the_batches_of_the_steps_and_draw_none_of_the_trainings_numbers(toy, recipe, workers):
    source = Source(toy, ("semantic", "depth"))
    before = torch.get_rng_state()
    made = list(batches(lambda step: training_batch(source, recipe, step), range(3, 7), workers, CPU))
    assert torch.equal(torch.get_rng_state(), before)
    assert len(made) == 4
    assert all(_same(batch, training_batch(source, recipe, step)) for step, batch in enumerate(made, 3))
    assert all(batch.images.is_contiguous(memory_format=torch.channels_last) for batch in made)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_comes_with_its_step_and_as_it_was(workers):
    def make(step):
        if step == 1:
            raise InputError("frame.png: cannot be read")
        return torch.zeros(step)

    made = batches(make, range(3), workers, CPU)
    assert len(next(made)) == 0
    with pytest.raises(InputError) as caught:
        next(made)
    assert str(caught.value) == "frame.png: cannot be read"


def test_parts_make_up_the_batch(toy, recipe):
    source = Source(toy, ("semantic", "depth"))
    whole = training_batch(source, recipe, 5)
    parts = [training_batch(source, recipe, 5, Part(index, 2)) for index in range(2)]
    assert torch.equal(torch.cat([part.images for part in parts]), whole.images)
    for key, label in whole.labels.items():
        assert torch.equal(torch.cat([part.labels[key] for part in parts]), label)
