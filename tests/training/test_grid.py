"""The combinations of a grid, what refuses one, and which row is best."""

from dataclasses import replace

import pytest

from robustbench_seg.errors import UsageError
from robustbench_seg.training.grid import Combination, Row, best_of, combinations, read_references
from robustbench_seg.training.recipe import read_recipe

GRID = [("tasks.semantic", [1, 10]), ("optimiser.betas", [[0.9, 0.98], [0.9, 0.999]])]


@pytest.fixture
def recipe_of(recipe_file):
    return lambda changes: read_recipe(recipe_file, changes=changes)


def test_every_combination_is_a_recipe_whose_name_says_it(recipe_of):
    found = combinations(GRID, recipe_of)
    assert [tuple(each.settings.values()) for each in found] == [
        (1, [0.9, 0.98]),
        (1, [0.9, 0.999]),
        (10, [0.9, 0.98]),
        (10, [0.9, 0.999]),
    ]
    last = found[-1].recipe
    assert last.name == "tiny-tasks.semantic=10-optimiser.betas=_0.9_0.999_"
    assert (last.tasks, last.optimiser.betas) == ({"semantic": 10.0, "depth": 0.5}, (0.9, 0.999))
    plain = recipe_of({})
    assert replace(last, name=plain.name, tasks=plain.tasks, optimiser=plain.optimiser) == plain


def test_a_key_that_the_recipe_leaves_out_is_added(recipe_of):
    (found,) = combinations([("schedule.name", ["step"])], recipe_of)
    assert found.recipe.schedule.name == "step"


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ([("tasks.semantic", [1]), ("tasks.semantic", [2])], "key 'tasks.semantic' is there 2 times"),
        ([("seed", [1, 2, 1])], "combination 'tiny-seed=1' is there 2 times"),
        ([("optimiser.lr", [1])], r"--grid optimiser.lr=1: .*unknown key 'lr'"),
        ([("tasks.semantic", [1, "much"])], r"--grid tasks.semantic=much: .*tasks.semantic: must be"),
        ([("tasks.depth", [-1])], r"--grid tasks.depth=-1: .*at least 0"),
        ([("steps.more", [1])], r"--grid steps.more=1: .*steps: must be"),
    ],
)
def test_what_is_no_recipe_is_one_line(recipe_of, grid, message):
    with pytest.raises(UsageError, match=message) as caught:
        combinations(grid, recipe_of)
    assert "\n" not in str(caught.value)


def test_a_reference_that_nobody_knows():
    with pytest.raises(UsageError, match="unknown reference 'street-singel'; did you mean street-single"):
        read_references(["street-singel"])


def test_the_card_of_a_catalogue_model_is_a_reference():
    (card,) = read_references(["street-single"])
    assert 0 < card.metrics["semantic"]["miou"] < 1


@pytest.mark.parametrize(
    ("gains", "best"), [([1.0, 3.0, 3.0], 1), ([-2.0, None, -1.0], 2), ([0.0, -1.0], 0), ([None], None)]
)
def test_the_best_row_is_the_first_of_the_largest_gain(recipe, gains, best):
    rows = [Row(Combination({"seed": i}, recipe), {}, gain) for i, gain in enumerate(gains)]
    assert best_of(rows) is (None if best is None else rows[best])
