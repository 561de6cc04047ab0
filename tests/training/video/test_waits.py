"""Learning depth from video does not wait for a GPU."""

from tests.training.test_waits import _waits


def test_joint(joint_recipe, toy, sets):
    assert not _waits(joint_recipe, toy, sets)
