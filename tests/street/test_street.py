"""The labels of `street`: their form, and that they agree with each other and with the picture."""

import hashlib
import inspect
import pickle
import subprocess
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.registry import DATASETS
from robustbench_seg.errors import UsageError
from robustbench_seg.street.dataset import LENGTHS, Street
from robustbench_seg.street.domains import DOMAINS as ALL_DOMAINS
from robustbench_seg.street.labels import THINGS
from robustbench_seg.street.render import render
from robustbench_seg.street.town import make_scene

SIZE = (96, 192)
SKY, ROAD = 10, 0
CLASSES = sorted(set(range(19)) - {16, 17})
DOMAINS = {name: domain for name, domain in ALL_DOMAINS.items() if not domain.convoy}
"""Those whose worlds are their own."""
ALL = [(domain, index) for domain in DOMAINS for index in range(3)]
DIGEST = """
import hashlib, pickle
from robustbench_seg.street.dataset import Street
sample = Street("street-b", "test", cache=False)[5]
print(hashlib.sha256(pickle.dumps((sample.image, sample.labels, sample.camera))).hexdigest())
"""


@cache
def sample(domain, index, offset=0, split="val"):
    return Street(domain, split, cache=False).frame(index, offset)


def same(one, other):
    return pickle.dumps(one) == pickle.dumps(other)


def rays(camera):
    """Rays (3,H,W) of unit z-depth."""
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pixels = np.stack([columns, rows, np.ones(SIZE)]).reshape(3, -1)
    return (np.linalg.inv(camera["intrinsics"].astype(float)) @ pixels).reshape(3, *SIZE)


def points(frame):
    """World points (3,H,W); the camera's centre where the depth is invalid."""
    pose = frame.camera["pose"].astype(float)
    local = rays(frame.camera) * frame.labels["depth"]
    return np.einsum("ij,jhw->ihw", pose[:3, :3], local) + pose[:3, 3, None, None]


@pytest.mark.parametrize(("domain", "index"), ALL)
def test_shapes_dtypes_and_units(domain, index):
    frame = sample(domain, index)
    labels, things, camera = frame.labels, frame.labels["instances"], frame.camera
    count = len(things["labels"])

    assert frame.id == f"{domain}-val-{index:05d}"
    assert frame.image.shape == (*SIZE, 3)
    assert frame.image.dtype == np.uint8
    assert labels["semantic"].dtype == labels["edges"].dtype == np.uint8
    assert labels["semantic"].shape == labels["edges"].shape == labels["depth"].shape == SIZE
    assert set(np.unique(labels["semantic"])) <= set(CLASSES)
    assert set(np.unique(labels["edges"])) == {0, 1}
    assert labels["depth"].dtype == labels["normals"].dtype == np.float32
    assert labels["normals"].shape == (3, *SIZE)
    assert things["boxes"].shape == (count, 4)
    assert things["masks"].shape == (count, *SIZE)
    assert [things[key].dtype for key in ("boxes", "labels", "masks", "depth")] == ["f4", "i8", "?", "f4"]
    assert camera["intrinsics"].shape == (3, 3)
    assert camera["pose"].shape == (4, 4)


@pytest.mark.parametrize(("domain", "index"), ALL)
def test_depth_and_normals_are_invalid_on_the_sky_only(domain, index):
    frame = sample(domain, index)
    sky = frame.labels["semantic"] == SKY
    depth, normals = frame.labels["depth"], frame.labels["normals"]
    length = np.sqrt((normals**2).sum(0))

    assert (depth[sky] == 0).all()
    assert (length[sky] == 0).all()
    assert depth[~sky].min() > 0.3
    assert depth.max() < 400
    np.testing.assert_allclose(length[~sky], 1, atol=1e-5)
    assert ((normals * rays(frame.camera)).sum(0)[~sky] < 1e-3).all(), "a surface that faces away is not seen"


@pytest.mark.parametrize(("domain", "index"), ALL)
def test_points_of_a_flat_surface_lie_across_its_normal(domain, index):
    frame = sample(domain, index)
    semantic, depth, normals = (frame.labels[key] for key in ("semantic", "depth", "normals"))
    local = rays(frame.camera) * depth
    for axis in (1, 2):
        step = np.diff(local, axis=axis)
        one, other = np.take(normals, range(SIZE[axis - 1] - 1), axis), np.take(normals, range(1, SIZE[axis - 1]), axis)
        distance = np.take(depth, range(SIZE[axis - 1] - 1), axis - 1)
        flat = (one == other).all(0) & (one != 0).any(0) & (np.abs(np.diff(depth, axis=axis - 1)) < 0.02 * distance)
        flat &= np.diff(semantic.astype(int), axis=axis - 1) == 0
        off = np.abs((step * one).sum(0))[flat] / distance[flat]

        assert flat.mean() > 0.1
        assert np.quantile(off, 0.95) < 1e-5, "but for parallel planes side by side"


@pytest.mark.parametrize(("domain", "index"), ALL)
def test_the_road_is_level_below_the_camera(domain, index):
    frame = sample(domain, index)
    road = frame.labels["semantic"] == ROAD
    up = np.einsum("ij,jhw->ihw", frame.camera["pose"][:3, :3], frame.labels["normals"])[2]

    np.testing.assert_allclose(points(frame)[2][road], 0, atol=2e-3)
    np.testing.assert_allclose(up[road], 1, atol=1e-4)
    assert 1.2 < frame.camera["pose"][2, 3] < 1.9


@pytest.mark.parametrize(("domain", "index"), ALL)
def test_instances_are_what_is_seen_of_them(domain, index):
    frame = sample(domain, index)
    things, semantic = frame.labels["instances"], frame.labels["semantic"]
    covered = np.zeros(SIZE, int)
    for box, label, mask, depth in zip(*(things[key] for key in ("boxes", "labels", "masks", "depth")), strict=True):
        rows, columns = np.nonzero(mask)
        assert tuple(box) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert label in THINGS
        assert (semantic[mask] == label).all()
        assert depth == np.median(frame.labels["depth"][mask])
        covered += mask
    np.testing.assert_array_equal(covered, np.isin(semantic, THINGS))


@pytest.mark.parametrize(("domain", "index"), ALL)
def test_edges_part_classes_and_instances(domain, index):
    frame = sample(domain, index)
    semantic, edges = frame.labels["semantic"].astype(int), frame.labels["edges"] == 1
    number = np.zeros(SIZE, int)
    for k, mask in enumerate(frame.labels["instances"]["masks"]):
        number[mask] = k + 1
    region = semantic * 1000 + number
    across, down = region[:, :-1] != region[:, 1:], region[:-1] != region[1:]

    assert edges[:, :-1][across].all()
    assert edges[:-1][down].all()
    inner = edges[:-1, :-1]
    np.testing.assert_array_equal(inner, across[:-1] | down[:, :-1])


def test_a_sample_is_the_same_in_any_process():
    run = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True)
    frame = Street("street-b", "test", cache=False)[5]
    assert run.stdout.strip() == hashlib.sha256(pickle.dumps((frame.image, frame.labels, frame.camera))).hexdigest()


def test_a_sample_does_not_depend_on_length_or_on_what_was_read_before():
    short, long = Street("street", "train", length=4, cache=False), Street("street", "train", length=400, cache=False)
    long[0]
    assert same(short[3], long[3])
    assert same(short[-1], long[3])


def test_splits_are_disjoint():
    ids = [set(Street("street", split, cache=False).ids) for split in LENGTHS]
    images = {sample("street", index, split=split).image.tobytes() for split in LENGTHS for index in range(4)}

    assert [len(found) for found in ids] == [2000, 200, 200]
    assert len(set().union(*ids)) == 2400
    assert len(images) == 12


def test_ids_are_sorted_and_their_own_groups():
    data = Street("street-b", "val", cache=False)
    assert list(data.ids) == sorted(data.ids)
    assert list(data.groups) == list(data.ids)
    assert (data.name, data.classes, data.ids[7]) == ("street-b", CITYSCAPES19, "street-b-val-00007")


@pytest.mark.slow
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_class_is_frequent(domain):
    seen = np.zeros(19)
    for index in range(40):
        seen += np.bincount(sample(domain, index, split="train").labels["semantic"].ravel(), minlength=19) > 0
    assert {CITYSCAPES19.names[c]: seen[c] for c in CLASSES if seen[c] < 10} == {}


@pytest.mark.slow
def test_the_domains_differ_in_camera_colour_and_layout():
    frames = {domain: [sample(domain, index, split="train") for index in range(40)] for domain in DOMAINS}
    focal, height, share = {}, {}, {}
    for domain, found in frames.items():
        focal[domain] = {float(frame.camera["intrinsics"][0, 0]) for frame in found}
        height[domain] = [frame.camera["pose"][2, 3] for frame in found]
        share[domain] = np.mean(
            [np.bincount(f.labels["semantic"].ravel(), minlength=19) / f.image[..., 0].size for f in found], 0
        )
    blue = {
        domain: np.mean([f.image[:30, :, 2].mean() - f.image[:30, :, 0].mean() for f in found])
        for domain, found in frames.items()
    }

    assert focal["street"].isdisjoint(focal["street-b"])
    assert max(height["street"]) < min(height["street-b"])
    assert share["street"][2] > 1.3 * share["street-b"][2], "buildings"
    assert share["street-b"][8] > 1.3 * share["street"][8], "vegetation"
    assert blue["street-b"] > blue["street"] + 4


@pytest.mark.parametrize("size", [(48, 64), (129, 200)])
def test_any_size_with_intrinsics_to_match(size):
    small, usual = Street("street", size=size, cache=False)[0], sample("street", 0)
    scale = size[1] / SIZE[1]

    assert small.image.shape == (*size, 3)
    assert small.labels["normals"].shape == (3, *size)
    np.testing.assert_allclose(small.camera["intrinsics"][0, 0], usual.camera["intrinsics"][0, 0] * scale, rtol=1e-6)
    np.testing.assert_allclose(small.camera["intrinsics"][:2, 2], [(size[1] - 1) / 2, (size[0] - 1) / 2])


def test_doubling_the_size_shows_the_same_world():
    large, usual = Street("street-b", size=(192, 384), cache=False)[1], sample("street-b", 1)
    halved = large.image.reshape(96, 2, 192, 2, 3).mean((1, 3))
    assert np.abs(halved - usual.image).mean() < 6


def test_the_fingerprint_names_what_the_data_is():
    prints = [
        Street(*arguments, cache=False).fingerprint()
        for arguments in (
            ("street",),
            ("street-b",),
            ("street", "test"),
            ("street", "val", (96, 193)),
            ("street", "val", SIZE, 9),
        )
    ]
    assert len(set(prints)) == 5
    assert prints[0] == Street("street").fingerprint()
    assert all(len(value) == 64 and int(value, 16) for value in prints)


@pytest.mark.parametrize("name", ALL_DOMAINS)
def test_the_registry_opens_it(name):
    data = DATASETS.get(name)(split="test")
    assert (data.name, data.split, len(data)) == (name, "test", 200)
    assert list(inspect.signature(DATASETS.get(name)).parameters) == ["split", "size"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"domain": "stret"}, "did you mean street"),
        ({"split": "vall"}, "did you mean val"),
        ({"length": 0}, "length 0"),
        ({"size": (0, 192)}, "0x192"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(UsageError, match=message):
        Street(**arguments)


def test_wrong_offsets_are_named():
    with pytest.raises(UsageError, match="offset 2"):
        Street(cache=False).frame(0, 2)
    with pytest.raises(IndexError):
        Street(length=3, cache=False)[3]


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_camera_and_what_moves_move_on(domain):
    data = Street(domain, cache=False)
    before, after = data.neighbours(0)
    now = data[0]
    centres = [frame.camera["pose"][:3, 3] for frame in (before, now, after)]

    assert 0.2 < np.linalg.norm(centres[1] - centres[0]) < 1.5
    np.testing.assert_allclose(centres[1] - centres[0], centres[2] - centres[1], atol=1e-4)
    assert not np.array_equal(before.image, after.image)
    moving = [item for item in make_scene(DOMAINS[domain], 1, 0).parts.items if item.vx or item.vy]
    assert {item.label for item in moving} >= {11, 13}


def test_still_objects_stay_where_they_are():
    scene = make_scene(DOMAINS["street"], 1, 0)
    scene.parts.items = [item._replace(vx=0.0, vy=0.0) for item in scene.parts.items]
    still = replace(scene, path=(scene.path[1],) * 3)
    assert np.array_equal(render(still, -1, SIZE).image, render(still, 1, SIZE).image)
