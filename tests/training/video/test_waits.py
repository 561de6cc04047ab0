"""Learning depth from video does not wait for a GPU."""

from dataclasses import replace

import pytest

from tests.training.test_waits import _waits


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("scale", [0.1, None])
def test_joint(joint_recipe, toy, sets, scale, precision):
    video = replace(joint_recipe.video, gradient_scale=scale, depth_lr=None)
    assert not _waits(replace(joint_recipe, video=video), toy, sets, precision)
