"""A share of the images that are learnt from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from robustbench_seg.training.recipe import DataRecipe, VideoRecipe
from robustbench_seg.training.run import drawn, open_sets


def test_it_is_drawn_by_the_seed_and_a_smaller_one_is_part_of_a_larger_one(toy):
    assert drawn(toy, 1.0, 0) is toy
    half, third, none = (drawn(toy, share, 0) for share in (0.5, 0.34, 0.01))
    assert (len(half), len(third), len(none)) == (3, 2, 1)
    assert set(none.ids) < set(third.ids) < set(half.ids) < set(toy.ids)
    assert half.ids == sorted(half.ids)
    assert len({tuple(drawn(toy, 0.5, seed).ids) for seed in range(9)}) > 1
    sample = toy[toy.ids.index(half.ids[1])]
    assert np.array_equal(half[1].image, sample.image)
    assert len({dataset.fingerprint() for dataset in (toy, half, third, none)}) == 4


def test_it_is_that_of_training_alone(recipe):
    data = DataRecipe("street", share=0.5)
    video = VideoRecipe("street-b", 2, share=0.25)
    changed = replace(recipe, tasks={"semantic": 1.0}, data=data, video=video)
    whole = replace(changed, data=DataRecipe("street"), video=VideoRecipe("street-b", 2))
    (train, val, sets), (all_train, all_val, all_sets) = open_sets(changed), open_sets(whole)
    assert (2 * len(train), len(val)) == (len(all_train), len(all_val))
    assert (4 * len(sets.train), len(sets.val)) == (len(all_sets.train), len(all_sets.val))
