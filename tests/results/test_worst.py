"""The worst case over attacks: which cells it may choose from, and what it chooses."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from robustbench_seg.results.keys import FLOAT, ROUNDED, AttackConfiguration
from robustbench_seg.results.records import ImageResult
from robustbench_seg.results.store import StoredCell
from robustbench_seg.results.worst import candidates, worst_cell
from robustbench_seg.tasks.semantic import Semantic

TASK = Semantic()
GRID = (0.5, 1.0, 2.0)


def configurations(norm, **params):
    def of(attack, objective="semantic", **more):
        return AttackConfiguration(attack, objective, norm, GRID, **more)

    return [
        AttackConfiguration("clean", "", "", (0.0,)),
        of("pgd"),
        of("pgd", variant="40 steps"),
        of("cospgd"),
        of("pgd", "depth"),
        of("worst", params=params),
    ]


@pytest.mark.parametrize(
    ("norm", "over", "expected"),
    [
        ("rms", "", [(1, 1), (2, 1), (3, 1)]),
        ("linf", "", [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0), (3, 1)]),
        ("rms", "pgd", [(1, 1), (2, 1)]),
        ("rms", "pgd[40 steps]; cospgd", [(2, 1), (3, 1)]),
    ],
)
def test_what_it_may_choose_from(norm, over, expected):
    known = configurations(norm, over=over)
    assert candidates(known[-1], 1.0, known) == expected


def test_images_scored_in_one_way_are_chosen_from_alone():
    known = [replace(each, scored=(FLOAT, ROUNDED)) for each in configurations("linf", over="cospgd")]
    assert candidates(known[-1], 1.0, known) == [(3, 0), (3, 1)]
    assert candidates(known[-1], 1.0, known, ROUNDED) == [(3, 3), (3, 4)]


def cells(count, images, seed=0, classes=3):
    """Confusion matrices of every image in every cell, over the same labels."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(1, 40, (images, classes))
    made = []
    for _ in range(count):
        results, statistics = [], {}
        for image in range(images):
            matrix = np.array([draw.multinomial(n, draw.dirichlet(np.ones(classes))) for n in labels[image]], float)
            statistics[image] = {"confusion": matrix}
            results.append(ImageResult(image, rms=draw.random()))
        made.append(StoredCell(results, {"semantic": statistics}))
    return made


def miou(statistics):
    return float(TASK.values(statistics, np.ones((1, len(statistics))), TASK.scored(statistics)).overall["miou"][0])


def of(cell):
    return [cell.statistics["semantic"][result.image] for result in cell.results]


def test_by_image_every_image_has_its_worst_record():
    made = cells(4, 6)
    worst = worst_cell(made, TASK, by_image=True)
    for image, result in enumerate(worst.results):
        values = [miou([cell.statistics["semantic"][image]]) for cell in made]
        index = int(np.argmin(values))
        assert result == made[index].results[image]
        assert worst.statistics["semantic"][image] is made[index].statistics["semantic"][image]


@pytest.mark.parametrize("seed", range(5))
def test_greedily_it_is_no_better_than_any_attack_and_near_the_best_choice(seed):
    made = cells(3, 5, seed)
    greedy, by_image = (miou(of(worst_cell(made, TASK, by_image=b))) for b in (False, True))
    assert greedy <= by_image + 1e-12
    assert greedy <= min(miou(of(cell)) for cell in made)
    best = min(
        miou([made[k].statistics["semantic"][i] for i, k in enumerate(choice)])
        for choice in itertools.product(range(3), repeat=5)
    )
    assert best <= greedy <= best + 0.01


def test_it_starts_from_the_worst_cell_where_going_through_single_images_ends_above_it():
    """Two images whose own values are worst in one cell each; going on from there ends at .235, one cell is at .208."""
    made = cells(2, 2, seed=1371)
    assert miou(of(worst_cell(made, TASK, by_image=False))) <= min(miou(of(cell)) for cell in made) < 0.21


def test_an_image_that_failed_in_one_cell_fails_and_one_that_lacks_is_left_out():
    made = cells(2, 3)
    failed = ImageResult(1, error="ValueError: broken")
    made[1] = StoredCell([made[1].results[0], failed], made[1].statistics)
    worst = worst_cell(made, TASK, by_image=True)
    assert [result.image for result in worst.results] == [0, 1]
    assert worst.results[1] == failed
    assert set(worst.statistics["semantic"]) == {0}


def test_without_images_it_is_empty():
    assert worst_cell([], TASK, by_image=False) == StoredCell([], {})
