import pickle

import numpy as np
import pytest

from robustbench_seg.data.base import label_of
from robustbench_seg.data.camera import scaled_intrinsics
from robustbench_seg.data.derived import WithDerived
from robustbench_seg.data.files import FileDataset, LabelFiles
from robustbench_seg.data.images import read_depth
from robustbench_seg.data.normals import normals_from_depth
from robustbench_seg.street.dataset import Street
from robustbench_seg.training.batches import Source

SIZE = (40, 64)
K = np.array([[50.0, 0, 33.0], [0, 45.0, 17.0], [0, 0, 1]], np.float32)
SLANTS = {"ahead": (0, 0, -1), "road": (0, -1, -0.1), "wall": (0.9, 0.1, -0.4), "ceiling": (0.3, 0.8, -0.5)}


def rays(size, intrinsics):
    """The directions (3,H,W) of the pixels, 1 along z."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    return np.linalg.inv(intrinsics.astype(float)) @ np.stack([columns, rows, np.ones(size)]).reshape(3, -1)


def plane(normal, size, intrinsics):
    """The depth of a plane with this unit normal, 2 m from the camera; 0 where rays do not meet it."""
    towards = (np.array(normal) @ rays(size, intrinsics)).reshape(size)
    return np.where(towards < -1e-2, -2 / np.minimum(towards, -1e-2), 0)


def inner(known):
    """The pixels that are known with all 8 around them."""
    padded = np.pad(known, 1)
    return np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).all((2, 3))


@pytest.mark.parametrize("slant", SLANTS)
@pytest.mark.parametrize("size", [SIZE, (80, 64), (13, 21), (3, 3)])
def test_a_plane_has_its_normal_at_any_size(slant, size):
    normal = np.array(SLANTS[slant]) / np.linalg.norm(SLANTS[slant])
    intrinsics = scaled_intrinsics(K, SIZE, size)
    depth = plane(normal, size, intrinsics)
    found = normals_from_depth(depth, intrinsics)
    valid = inner(depth > 0)
    assert found.dtype == np.float32
    assert found.shape == (3, *size)
    assert valid.any() or size == (3, 3)
    np.testing.assert_allclose(found[:, valid], np.tile(normal[:, None], valid.sum()), atol=1e-6)
    assert (found[:, ~valid] == 0).all()


def test_intrinsics_of_another_size_give_another_plane():
    normal = np.array([0, -1, -0.1]) / np.hypot(1, 0.1)
    half = (SIZE[0] // 2, SIZE[1] // 2)
    depth = plane(normal, half, scaled_intrinsics(K, SIZE, half))
    found = normals_from_depth(depth, K)
    assert np.degrees(np.arccos(normal @ found[:, inner(depth > 0)])).min() > 1


def test_a_sphere_has_its_radii():
    size, intrinsics = (200, 200), np.array([[400.0, 0, 99.5], [0, 400.0, 99.5], [0, 0, 1]])
    centre, radius = np.array([0.3, -0.2, 6.0]), 1.0
    directions = rays(size, intrinsics)
    # |t d - c| = r, the nearer of both.
    b, squared = centre @ directions, (directions**2).sum(0)
    inside = b**2 - squared * (centre @ centre - radius**2)
    depth = np.where(inside > 0, (b - np.sqrt(np.maximum(inside, 0))) / squared, 0)
    expected = (directions * depth - centre[:, None]).reshape(3, *size) / radius
    found = normals_from_depth(depth.reshape(size), intrinsics)
    facing = -(expected * directions.reshape(3, *size)).sum(0) / np.sqrt(squared).reshape(size) > 0.5
    facing &= (depth > 0).reshape(size)
    angle = np.degrees(np.arccos((found * expected).sum(0)[facing].clip(-1, 1)))
    # Neighbours are 0.015 m apart, which is about a degree of the sphere; opposite ones are off to opposite sides.
    assert facing.sum() > 8000
    assert angle.max() < 1


def test_what_is_invalid_takes_its_neighbours_with_it():
    depth = np.full(SIZE, 3.0, np.float32)
    depth[10, 20] = depth[30, 63] = 0
    valid = (normals_from_depth(depth, K) != 0).any(0)
    expected = np.zeros(SIZE, bool)
    expected[1:-1, 1:-1] = True
    expected[9:12, 19:22] = expected[29:32, 62:] = False
    assert np.array_equal(valid, expected)


@pytest.mark.parametrize("size", [(1, 1), (2, 5), (5, 2)])
def test_a_map_too_small_for_neighbours_has_no_normals(size):
    found = normals_from_depth(np.ones(size, np.float32), K)
    assert found.shape == (3, *size)
    assert not found.any()


def test_a_step_in_depth_touches_one_pixel_on_either_side():
    depth = np.full(SIZE, 3.0, np.float32)
    depth[:, 30:] = 9
    found = normals_from_depth(depth, K)[:, 1:-1, 1:-1]
    off = np.abs(found - np.array([0, 0, -1])[:, None, None]).max(0) > 1e-5
    assert off.any(0).nonzero()[0].tolist() == [28, 29], "of the inner pixels; 29 and 30 of the map"
    beside = found.transpose(1, 2, 0)[off]
    np.testing.assert_allclose(np.linalg.norm(beside, axis=1), 1, atol=1e-6)
    towards = rays(SIZE, K).reshape(3, *SIZE)[:, 1:-1, 1:-1]
    assert ((found * towards).sum(0) < 0).all(), "each faces the camera all the same"


@pytest.mark.parametrize("domain", ["street", "street-b"])
def test_they_are_the_rendered_ones(domain):
    sample = Street(domain, "val", cache=False)[3]
    truth = sample.labels["normals"]
    found = normals_from_depth(sample.labels["depth"], sample.camera["intrinsics"])
    valid = (found != 0).any(0)
    angle = np.degrees(np.arccos((found * truth).sum(0)[valid].clip(-1, 1)))
    assert valid.mean() > 0.5
    assert np.median(angle) < 0.1
    assert (angle < 30).mean() > 0.8, "the others lie beside edges of depth, or where facets meet"


@pytest.fixture
def files(tmp_path, save):
    """A function that opens two images with these labels, each with the camera K."""
    for name in ("a", "b"):
        save(tmp_path / "image" / f"{name}.png", np.zeros((*SIZE, 3)))
        np.save(tmp_path / f"{name}.npy", plane((0, 0, -1), SIZE, K).astype(np.float32))

    def opened(**labels):
        images = {name: tmp_path / "image" / f"{name}.png" for name in ("a", "b")}
        depths = {name: tmp_path / f"{name}.npy" for name in images}
        kinds = {task: LabelFiles(depths, read) for task, read in labels.items()}
        return FileDataset(tmp_path, images, kinds, intrinsics=_camera)

    return opened


def _camera(name, size):
    return scaled_intrinsics(K, SIZE, size)


def _metres(path):
    return read_depth(path, 1.0)


def test_files_of_depth_with_a_camera_have_normals(files):
    data = files(depth=_metres)
    assert data.tasks == ("depth", "normals")
    sample = pickle.loads(pickle.dumps(data[1]))
    assert list(sample.labels) == ["depth", "normals"]
    assert len(sample.labels) == 2
    assert "semantic" not in sample.labels
    normals = label_of(data, sample, "normals", "normals")
    assert (normals[2, 1:-1, 1:-1] == -1).all()
    np.testing.assert_array_equal(sample.camera["intrinsics"], K)
    _, labels = Source(data, ("normals",), size=(20, 32)).read(0)
    assert labels["normals"].shape == (3, 20, 32)


def test_normals_are_computed_where_they_are_asked_for(files, monkeypatch):
    monkeypatch.setattr("robustbench_seg.data.normals.normals_from_depth", None)
    sample = files(depth=_metres)[0]
    assert "normals" in sample.labels
    assert sample.labels["depth"].shape == SIZE
    with pytest.raises(TypeError):
        sample.labels["normals"]


def test_normals_of_its_own_win(files):
    data = files(depth=_metres, normals=_own)
    assert data.tasks == ("depth", "normals")
    assert not isinstance(data[0].labels, WithDerived)
    assert (data[0].labels["normals"] == 7).all()


def _own(path):
    return np.full((*SIZE, 3), 7)


def test_without_depth_there_are_none(files):
    assert files(semantic=_metres).tasks == ("semantic",)
