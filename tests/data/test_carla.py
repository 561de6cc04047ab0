import math

import numpy as np
import pytest

from robustbench_seg.classes import CARLA13, CITYSCAPES19, align
from robustbench_seg.data.carla import CARLA
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.spec import DataSpec

# The tags by value: "Sensors reference" of CARLA's documentation, 0.9.13, and ObjectLabel.h of 0.9.14.
OLD = [
    "Unlabeled", "Building", "Fence", "Other", "Pedestrian", "Pole", "RoadLine", "Road", "SideWalk", "Vegetation",
    "Vehicles", "Wall", "TrafficSign", "Sky", "Ground", "Bridge", "RailTrack", "GuardRail", "TrafficLight",
    "Static", "Dynamic", "Water", "Terrain",
]  # fmt: skip
NEW = [
    "Unlabeled", "Roads", "SideWalks", "Building", "Wall", "Fence", "Pole", "TrafficLight", "TrafficSign",
    "Vegetation", "Terrain", "Sky", "Pedestrian", "Rider", "Car", "Truck", "Bus", "Train", "Motorcycle",
    "Bicycle", "Static", "Dynamic", "Other", "Water", "RoadLine", "Ground", "Bridge", "RailTrack", "GuardRail",
]  # fmt: skip
VOID = {"Unlabeled", "Other", "Ground", "Bridge", "RailTrack", "GuardRail", "Static", "Dynamic", "Water"}
SPELLED = {
    "RoadLine": "road",
    "Roads": "road",
    "SideWalk": "sidewalk",
    "SideWalks": "sidewalk",
    "TrafficSign": "traffic sign",
    "TrafficLight": "traffic light",
    "Vehicles": "vehicle",
}


def expected(tags, classes):
    """The ids of one row of all tags."""
    names = [None if tag in VOID else SPELLED.get(tag, tag.lower()) for tag in tags]
    return [255 if name is None else classes.find(name) for name in names]


def raw(red, blue=0):
    """A raw image of the semantic camera: BGRA with the tag in red, saved as RGBA."""
    red = np.asarray(red)
    return np.stack([red, red * 0, red * 0 + blue, red * 0 + 255], -1)


@pytest.fixture
def recorded(tmp_path, save):
    """Write a recording of one version: two frames, the tags in a row."""

    def write(version, tags, base="", extra=""):
        (tmp_path / "carla.toml").write_text(f'version = "{version}"\n{extra}')
        row = np.array([range(len(tags))] * 3)
        counts = np.zeros((*row.shape, 3), int)
        counts[..., 1] = 3 + row
        counts[0, 0] = 255
        for number in (17, 18):
            name = f"{number:06d}.png"
            save(tmp_path / base / "rgb" / name, np.dstack([np.full((*row.shape, 3), number), row * 0 + 255]))
            save(tmp_path / base / "semantic" / name, raw(row))
            save(tmp_path / base / "depth" / name, np.dstack([counts, row * 0 + 255]))
        return tmp_path

    return write


def fails(root, path, *parts, use=list, **options):
    with pytest.raises(InputError) as caught:
        use(CARLA(root, **options))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:")
    for part in parts:
        assert part in message


@pytest.mark.parametrize("version", ["0.9.14", "0.9.15", "0.10.0"])
def test_tags_since_0_9_14(recorded, version):
    data = CARLA(recorded(version, NEW))
    assert (data.name, data.tasks, data.classes) == ("carla", ("semantic", "depth"), CITYSCAPES19)
    assert list(data.ids) == ["000017", "000018"]
    assert len(set(data.groups)) == 1
    assert data[0].image[0, 0].tolist() == [17, 17, 17]
    assert data[0].labels["semantic"][0].tolist() == expected(NEW, CITYSCAPES19)
    assert data[0].labels["semantic"][0].tolist()[1:20] == list(range(19))


@pytest.mark.parametrize("version", ["0.9.10", "0.9.13"])
def test_tags_before(recorded, version):
    data = CARLA(recorded(version, OLD))
    assert data.classes == CARLA13
    assert data[0].labels["semantic"][0].tolist() == expected(OLD, CARLA13)


def test_vehicles_before_are_of_any_kind():
    members = align(CITYSCAPES19, CARLA13).logit_members[CARLA13.names.index("vehicle")]
    assert [CITYSCAPES19.names[i] for i in members] == ["car", "truck", "bus", "train", "motorcycle", "bicycle"]


def test_depth(recorded):
    depth = CARLA(recorded("0.9.15", NEW))[0].labels["depth"]
    assert depth[0, 0] == 0, "the far plane"
    # Green counts 256 ths of red: (3 + column) 256 of 2^24 - 1 kilometres.
    np.testing.assert_allclose(depth[1], [(3 + column) * 256e3 / (2**24 - 1) for column in range(len(NEW))], rtol=1e-6)


def test_field_of_view(recorded):
    data = CARLA(recorded("0.9.15", NEW, extra="fov = 100\n"))
    assert data.tasks == ("semantic", "depth", "normals")
    intrinsics = data[0].camera["intrinsics"]
    width = len(NEW)
    # Half a view angle to the right of the axis is the right edge, half a pixel beyond the last centre.
    ray = np.array([math.tan(math.radians(50)), 0, 1])
    column, row, _ = intrinsics @ ray
    assert (column, row) == pytest.approx((width - 0.5, 1.0))
    assert intrinsics[0, 0] == intrinsics[1, 1]


def test_clips_and_splits(recorded, save):
    root = recorded("0.9.15", NEW, base="val")
    for kind, values in (("rgb", raw(np.zeros((3, 4)))), ("semantic", raw(np.ones((3, 4))))):
        for name in ("Town01/000001.png", "Town01/000002.png", "Town02/000001.png"):
            save(root / "train" / kind / name, values)
    train = CARLA(root, "train")
    assert train.tasks == ("semantic",)
    assert list(train.groups) == ["Town01", "Town01", "Town02"]
    assert CARLA(root, "val").tasks == ("semantic", "depth")
    assert CARLA(root).ids == CARLA(root, "val").ids
    fails(root, root, "unknown split '../val'", split="../val")


def test_the_only_split(recorded):
    data = CARLA(recorded("0.9.15", NEW, base="night"))
    assert (len(data), data.split, data.splits) == (2, "night", ("night",))


def test_no_splits(recorded):
    root = recorded("0.9.15", NEW)
    fails(root, root, "has no splits, '../carla' was asked for", split="../carla")


def test_jpeg_images(recorded, save):
    root = recorded("0.9.15", NEW)
    for path in sorted((root / "rgb").iterdir()):
        path.unlink()
        save(path.with_suffix(".jpg"), np.zeros((3, len(NEW), 3)))
    assert CARLA(root)[0].labels["semantic"][0, 1] == 0


def test_the_version_must_be_given(recorded):
    root = recorded("0.9.15", NEW)
    (root / "carla.toml").unlink()
    fails(root, root / "carla.toml", "is missing", 'version = "0.9.15"', "0.9.14")


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("fov = 90", "missing key 'version'"),
        ('version = "0.9"', 'such as "0.9.15", not "0.9"'),
        (f'version = "0.9.{"1" * 5000}"', 'such as "0.9.15"'),
        ('version = "0.9.15"\nfov = 180', "fov: must be from 1 to 179"),
        ('versoin = "0.9.15"', "did you mean version"),
    ],
)
def test_bad_config(recorded, text, part):
    root = recorded("0.9.15", NEW)
    (root / "carla.toml").write_text(text)
    fails(root, root / "carla.toml", part)


def test_tags_of_a_later_version(recorded):
    root = recorded("0.9.13", NEW)
    fails(root, root / "semantic" / "000017.png", "holds label ids 23, 24", "carla.toml")


def test_coloured_tags(recorded, save):
    root = recorded("0.9.15", NEW)
    path = save(root / "semantic" / "000017.png", np.full((3, len(NEW), 3), (128, 64, 128)))
    fails(root, path, "holds label ids 128 that no class has", "without a ColorConverter")


def test_depth_in_grey(recorded, save):
    root = recorded("0.9.15", NEW)
    path = save(root / "depth" / "000018.png", np.full((3, len(NEW), 3), 77))
    fails(root, path, "is a grey picture of depth")


def test_a_frame_that_one_camera_missed(recorded):
    root = recorded("0.9.15", NEW)
    (root / "depth" / "000017.png").unlink()
    fails(root, root / "rgb" / "000017.png", "has no depth labels")


def test_images_alone(recorded):
    root = recorded("0.9.15", NEW)
    for kind in ("semantic", "depth"):
        (root / kind).rename(root / f"other-{kind}")
    fails(root, root, "has neither semantic/ nor depth/")


def test_no_folder(tmp_path):
    fails(tmp_path / "nowhere", tmp_path / "nowhere", "is no folder")


def test_registered(recorded):
    root = recorded("0.9.15", NEW)
    data = DataSpec.parse(f"carla:{root}").load()
    assert isinstance(data, CARLA)
    before = data.fingerprint()
    (root / "carla.toml").write_text('version = "0.9.14"\n')
    assert CARLA(root).fingerprint() != before
