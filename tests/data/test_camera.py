import numpy as np
import pytest

from robustbench_seg.data.camera import scaled_intrinsics

K = np.array([[40.0, 0, 30.0], [0, 45.0, 20.0], [0, 0, 1]], np.float32)


def project(intrinsics, point):
    pixel = intrinsics @ np.array(point)
    return pixel[:2] / pixel[2]


def test_intrinsics_follow_the_size():
    column, row = project(K, [1.0, 0.5, 4.0])
    found = project(scaled_intrinsics(K, (40, 60), (80, 30)), [1.0, 0.5, 4.0])
    # Edges of pixels, half a pixel beside their centres, scale with the image.
    assert found.tolist() == pytest.approx([(column + 0.5) / 2 - 0.5, (row + 0.5) * 2 - 0.5])


def test_the_size_it_has_changes_nothing():
    assert np.array_equal(scaled_intrinsics(K, (40, 60), (40, 60)), K)
