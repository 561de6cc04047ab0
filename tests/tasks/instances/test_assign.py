from __future__ import annotations

import math

import torch

from robustbench_seg.tasks.instances.assign import assign
from robustbench_seg.tasks.instances.locations import Level, Locations
from tests.tasks.made_instances import VOID, Known, labelled

LEVELS = Level(16, 24, 4, 0.0, 12.0), Level(8, 12, 8, 12.0, 24.0), Level(4, 6, 16, 24.0, math.inf)
LOCATIONS = Locations.of(LEVELS, "cpu")


def places(*known: Known):
    """The (x, y, stride) of every positive, and its instance."""
    found = assign(LOCATIONS, labelled([known]))
    points, strides = LOCATIONS.points[found.location], LOCATIONS.strides[found.location]
    listed = torch.cat([points, strides[:, None]], 1).tolist()
    return {tuple(place): int(i) for place, i in zip(listed, found.instance, strict=True)}, found


def test_locations_are_cell_centres():
    assert LOCATIONS.points[0].tolist() == [2.0, 2.0]
    assert LOCATIONS.points[16 * 24].tolist() == [4.0, 4.0]
    assert LOCATIONS.points[-1].tolist() == [88.0, 56.0]
    assert len(LOCATIONS) == sum(map(len, LEVELS)) == len(LOCATIONS.strides) == len(LOCATIONS.ranges)


def test_a_small_box_is_served_by_the_finest_level_around_its_centre():
    where, _ = places(Known((20, 20, 32, 32), 1))
    # The centre is (26, 26); locations closer than 1.5 strides of 4 px in both directions.
    assert where == {(x, y, 4.0): 0 for x in (22.0, 26.0, 30.0) for y in (22.0, 26.0, 30.0)}


def test_sizes_choose_levels():
    _, found = places(Known((8, 4, 92, 60), 1))
    strides = LOCATIONS.strides[found.location]
    assert (strides == 16).all(), "84 px wide: at least 42 px to one side"
    _, found = places(Known((20, 20, 44, 40), 1))
    assert (LOCATIONS.strides[found.location] == 8).any()
    assert not (LOCATIONS.strides[found.location] == 16).any()


def test_the_smaller_of_two_boxes_wins():
    where, _ = places(Known((16, 16, 40, 40), 1), Known((22, 22, 34, 34), 2))
    assert where[(26.0, 26.0, 4.0)] == 1
    assert 0 in where.values()


def test_ignored_instances_are_neither_learnt_nor_background():
    where, found = places(Known((20, 20, 32, 32), VOID), Known((60, 20, 72, 32), 1))
    assert set(where.values()) == {1}
    inside = ((LOCATIONS.points > 20) & (LOCATIONS.points < 32)).all(1)
    assert torch.equal(found.ignored[0], inside)


def test_positives_are_found_once_for_equal_locations_and_on_the_host():
    # Whatever asked for a value of a tensor on this device would fail.
    batch = labelled([[Known((20, 20, 32, 32), 1)]]).to("meta")
    found = assign(Locations.of(LEVELS, "meta"), batch)
    assert found.boxes.device.type == "meta"
    assert len(found) == 9
    assert assign(Locations.of(LEVELS, "meta"), batch) is found
    assert assign(Locations.of(LEVELS[1:], "meta"), batch) is not found


def test_positives_found_in_inference_mode_serve_gradients():
    with torch.inference_mode():
        batch = labelled([[Known((20, 20, 32, 32), 1)]])
        assign(LOCATIONS, batch)
    leaf = torch.ones(9, requires_grad=True)
    (leaf * assign(LOCATIONS, batch).centerness).sum().backward()
    assert leaf.grad.count_nonzero() == 9


def test_targets_are_those_of_the_instance():
    batch = labelled([[], [Known((60, 20, 72, 32), 3, depth=7.0)], [Known((20, 20, 32, 32), 1, depth=5.0)]])
    found = assign(LOCATIONS, batch)
    assert set(found.image.tolist()) == {1, 2}
    first = found.image == 1
    assert found.labels[first].unique().tolist() == [3]
    assert found.depth[~first].unique().tolist() == [5.0]
    assert found.boxes[first].unique(dim=0).tolist() == [[60.0, 20.0, 72.0, 32.0]]
