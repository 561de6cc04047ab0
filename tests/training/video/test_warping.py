"""Warping against closed forms: planes, pure shifts and turns, and the identity."""

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from robustbench_seg.training.video.warping import rigid, warp

SIZE = (48, 64)
INTRINSICS = torch.tensor([[[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1]]])


def _motion(*values):
    return torch.tensor([values], dtype=torch.float32)


def _noise():
    return torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(0))


def test_rigid_is_rodrigues_and_its_inverse():
    motion = _motion(0.2, -0.4, 0.1, 1.0, 2.0, -3.0)
    there, back = rigid(motion)[0], rigid(motion, inverse=True)[0]
    expected = Rotation.from_rotvec(motion[0, :3].numpy()).as_matrix()
    np.testing.assert_allclose(there[:3, :3], expected, atol=1e-6)
    assert there[:3, 3].tolist() == [1, 2, -3]
    torch.testing.assert_close(back @ there, torch.eye(4), atol=1e-6, rtol=0)


def test_no_motion_gives_a_finite_gradient():
    motion = torch.zeros(1, 6, requires_grad=True)
    image = _noise()
    warp(image, torch.full((1, *SIZE), 5.0), rigid(motion), INTRINSICS).square().mean().backward()
    assert motion.grad.isfinite().all()
    assert motion.grad.abs().sum() > 0


@pytest.mark.parametrize("depth", [0.1, 3.0, 100.0])
def test_identity_gives_the_source(depth):
    image = _noise()
    warped = warp(image, torch.full((1, *SIZE), depth), torch.eye(4)[None], INTRINSICS)
    torch.testing.assert_close(warped, image, atol=2e-4, rtol=0)


def test_a_plane_shifts_by_f_t_over_z():
    image = _noise()
    # 50 px * 0.6 m / 10 m = 3 px to the right, 50 * 0.4 / 10 = 2 px down.
    transform = rigid(_motion(0, 0, 0, 0.6, 0.4, 0))
    warped = warp(image, torch.full((1, *SIZE), 10.0), transform, INTRINSICS)
    torch.testing.assert_close(warped[..., :-2, :-3], image[..., 2:, 3:], atol=2e-4, rtol=0)
    # Beyond the neighbour its edge is repeated.
    torch.testing.assert_close(warped[..., :-2, -1], image[..., 2:, -1], atol=2e-4, rtol=0)


def test_half_a_turn_about_the_optical_axis():
    image = _noise()
    warped = warp(image, torch.full((1, *SIZE), 7.0), rigid(_motion(0, 0, np.pi, 0, 0, 0)), INTRINSICS)
    torch.testing.assert_close(warped, image.flip(-1, -2), atol=1e-3, rtol=0)


def test_points_behind_the_camera_stay_finite():
    transform = rigid(_motion(0, 0, 0, 0, 0, -9.0)).requires_grad_()
    warped = warp(_noise(), torch.full((1, *SIZE), 5.0), transform, INTRINSICS)
    warped.mean().backward()
    assert warped.isfinite().all()
    assert transform.grad.isfinite().all()


def _view(rotation, centre):
    """A textured slanted plane z = 8 + 0.3 x seen by a camera: image (1,3,H,W) and depth (1,H,W)."""
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in SIZE), indexing="ij")
    pixels = torch.stack([columns, rows, torch.ones(SIZE, dtype=torch.float64)], -1)
    rays = pixels @ torch.linalg.inv(INTRINSICS[0].double()).T @ rotation.T
    normal = torch.tensor([-0.3, 0, 1], dtype=torch.float64)
    depth = (8 - centre @ normal) / (rays @ normal)
    points = centre + rays * depth[..., None]
    waves = [torch.sin(points[..., 0] * a + points[..., 1] * b) for a, b in ((1.1, 0.4), (0.3, 1.3), (0.9, -0.8))]
    return (torch.stack(waves)[None] / 2 + 0.5).float(), depth[None].float()


def test_exact_depth_and_pose_reproduce_the_target():
    still, origin = torch.eye(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    motion = _motion(0.01, -0.03, 0.02, 0.1, -0.05, -0.4)
    transform = rigid(motion)
    # Points of the target camera in the source's frame: R p + t, so the source camera stands at -R' t.
    rotation = transform[0, :3, :3].double().T
    target, depth = _view(still, origin)
    source, _ = _view(rotation, -rotation @ transform[0, :3, 3].double())
    inside = slice(6, -6)
    error = (warp(source, depth, transform, INTRINSICS) - target).abs()[..., inside, inside]
    assert error.max() < 5e-3
    assert (source - target).abs()[..., inside, inside].mean() > 20 * error.mean()
    wrong = warp(source, depth * 1.5, transform, INTRINSICS)
    assert (wrong - target).abs()[..., inside, inside].mean() > 5 * error.mean()
