import pickle

import numpy as np
import pytest

from robustbench_seg.classes import CITYSCAPES19, VKITTI14, align
from robustbench_seg.data.base import Video
from robustbench_seg.data.vkitti2 import VKITTI2
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.spec import DataSpec

# The data set's own colors.txt, in its order, with Undefined last.
COLORS = """Category r g b
Terrain 210 0 200
Sky 90 200 255
Tree 0 199 0
Vegetation 90 240 0
Building 140 140 140
Road 100 60 100
GuardRail 250 100 255
TrafficSign 255 255 0
TrafficLight 200 200 0
Pole 255 130 0
Misc 80 80 80
Truck 160 60 60
Car 255 127 80
Van 0 139 139
Undefined 0 0 0
"""
LINES = [line.split() for line in COLORS.splitlines()[1:]]
CLASSES = np.array([[list(map(int, line[1:])) for line in LINES]] * 3)
HEIGHT, WIDTH = CLASSES.shape[:2]
ARCHIVES = {"rgb": "vkitti_2.0.3_rgb", "depth": "vkitti_2.0.3_depth", "classSegmentation": "vkitti_2.0.3_class"}
KINDS = {"rgb": "rgb_{:05d}.jpg", "depth": "depth_{:05d}.png", "classSegmentation": "classgt_{:05d}.png"}
SCENES = ("Scene01", "Scene02", "Scene06", "Scene18", "Scene20")


def place(root, kind, scene, number, variation="clone", camera=0, base="{}"):
    frames = root / base.format(kind) / scene / variation / "frames" / kind / f"Camera_{camera}"
    return frames / KINDS[kind].format(number)


def write(root, save, scene, numbers, base="{}", kinds=KINDS, **where):
    for number in numbers:
        contents = {
            "rgb": (np.full((HEIGHT, WIDTH, 3), 10 * number), np.uint8),
            "depth": (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 1000, np.uint16),
            "classSegmentation": (CLASSES, np.uint8),
        }
        for kind in kinds:
            values, dtype = contents[kind]
            if kind == "depth":
                values = np.where(values == 1000, 65535, values)
            save(place(root, kind, scene, number, base=base, **where), values, dtype)


@pytest.fixture
def tree(tmp_path, save):
    """The archives in folders of their kinds: every scene, and a second variation and camera of one."""
    for scene in SCENES:
        write(tmp_path, save, scene, (0, 1, 2))
    write(tmp_path, save, "Scene20", (5,), variation="15-deg-left", camera=1)
    textgt = tmp_path / "vkitti_2.0.3_textgt" / "Scene20" / "clone"
    textgt.mkdir(parents=True)
    (textgt / "colors.txt").write_text(COLORS)
    (textgt / "intrinsic.txt").write_text(
        "frame cameraID K[0,0] K[1,1] K[0,2] K[1,2]\n0 0 725.0087 725.0087 620.5 187\n"
    )
    return tmp_path


def fails(root, path, *parts, use=list, **options):
    with pytest.raises(InputError) as caught:
        use(VKITTI2(root, **options))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:")
    for part in parts:
        assert part in message


def test_frames_and_classes(tree):
    data = VKITTI2(tree)
    assert (data.name, data.tasks, data.classes) == ("vkitti2", ("semantic", "depth", "normals"), VKITTI14)
    assert list(data.ids) == [f"Scene20/clone/Camera_0/0000{number}" for number in range(3)]
    assert set(data.groups) == {"Scene20/clone/Camera_0"}
    semantic = data[1].labels["semantic"]
    np.testing.assert_array_equal(semantic, [[*range(14), 255]] * HEIGHT)
    assert abs(int(data[1].image[0, 0, 0]) - 10) <= 1


def test_classes_are_those_of_the_colour_file():
    spelled = [name.replace(" ", "") for name in VKITTI14.names]
    assert spelled == [line[0].lower() for line in LINES[:-1]]


def test_centimetres_and_the_sky(tree):
    depth = VKITTI2(tree)[0].labels["depth"]
    assert depth.dtype == np.float32
    # 0, 65535 (the sky), 2000, 3000, ... centimetres.
    expected = [0, 0, *(10.0 * count for count in range(2, HEIGHT * WIDTH))]
    np.testing.assert_allclose(depth.ravel(), expected, rtol=1e-6)


def test_the_camera_follows_the_size(tree, save):
    camera = VKITTI2(tree)[0].camera["intrinsics"]
    across, down = WIDTH / 1242, HEIGHT / 375
    expected = [[725.0087 * across, 0, 621 * across - 0.5], [0, 725.0087 * down, 187.5 * down - 0.5], [0, 0, 1]]
    np.testing.assert_allclose(camera, expected, rtol=1e-5)


def test_parts_share_no_scene(tree):
    train, val = (VKITTI2(tree, split) for split in ("train", "val"))
    assert {name.partition("/")[0] for name in train.ids} == set(SCENES[:-1])
    assert {name.partition("/")[0] for name in val.ids} == {"Scene20"}
    assert sorted([*train.ids, *val.ids]) == list(VKITTI2(tree, "all").ids)
    assert len(set(train.groups)) == 4
    assert [name[:7] for name in VKITTI2(tree, "Scene06").ids] == ["Scene06"] * 3


def test_variation_and_camera(tree):
    assert list(VKITTI2(tree, "val/15-deg-left/Camera_1").ids) == ["Scene20/15-deg-left/Camera_1/00005"]


@pytest.mark.parametrize("base", ["vkitti_2.0.3_{}", "."])
def test_other_ways_of_unpacking(tmp_path, save, base):
    write(tmp_path, save, "Scene20", (0,), base=base)
    assert VKITTI2(tmp_path)[0].labels["depth"][0, 2] == 20


def test_without_depth(tmp_path, save):
    write(tmp_path, save, "Scene20", (0,), kinds=("rgb", "classSegmentation"))
    assert VKITTI2(tmp_path).tasks == ("semantic",)


@pytest.mark.parametrize("folder", ["depth", "vkitti_2.0.3_depth"])
def test_depth_of_other_scenes_alone(tmp_path, save, folder):
    write(tmp_path, save, "Scene20", (0,), kinds=("rgb", "classSegmentation"))
    (tmp_path / folder).mkdir()
    path = tmp_path / "vkitti_2.0.3_depth/Scene20/clone/frames/depth/Camera_0"
    fails(tmp_path, path, "is missing; unpack vkitti_2.0.3_depth.tar")


def test_neighbours(tree):
    data = VKITTI2(tree, video=True)
    assert isinstance(data, Video)
    assert list(data.ids) == ["Scene20/clone/Camera_0/00001"]
    assert list(data.groups) == ["Scene20/clone/Camera_0"]
    previous, following = data.neighbours(0)
    assert (previous.id[-5:], following.id[-5:], previous.labels) == ("00000", "00002", {})
    assert abs(int(following.image.max()) - 20) <= 1
    np.testing.assert_array_equal(previous.camera["intrinsics"], data[0].camera["intrinsics"])


def test_the_ends_of_a_drive(tree):
    path = place(tree, "rgb", "Scene20", 0)
    fails(tree, path, "has no frame Scene20/clone/Camera_0/-0001", "video=True", use=lambda data: data.neighbours(0))


def test_no_frame_with_neighbours(tree):
    fails(tree, tree, "with both neighbours", split="val/15-deg-left/Camera_1", video=True)


@pytest.mark.parametrize(
    ("split", "part"),
    [
        ("vall", "split of vkitti2 'vall'; did you mean val"),
        ("val/frog", "variation of vkitti2 'frog'; did you mean fog"),
        ("val/fog/Camera_2", "camera of vkitti2 'Camera_2'"),
        ("val/fog/Camera_1/x", "write PART/VARIATION/CAMERA"),
    ],
)
def test_unknown_split(tree, split, part):
    with pytest.raises(UsageError, match=part):
        VKITTI2(tree, split)


def test_images_alone(tmp_path, save):
    write(tmp_path, save, "Scene20", (0,), kinds=("rgb",))
    path = (
        tmp_path / "vkitti_2.0.3_classSegmentation" / "Scene20" / "clone" / "frames" / "classSegmentation" / "Camera_0"
    )
    fails(
        tmp_path, path, "is missing", f"unpack vkitti_2.0.3_classSegmentation.tar in {tmp_path / 'classSegmentation'}"
    )


def test_a_variation_that_is_not_there(tree):
    fails(tree, tree / "classSegmentation/Scene20/fog/frames/classSegmentation/Camera_0", "is missing", split="val/fog")


def test_a_frame_without_label(tree):
    place(tree, "classSegmentation", "Scene20", 1).unlink()
    fails(tree, place(tree, "rgb", "Scene20", 1), "has no semantic labels")


def test_a_colour_of_no_category(tree, save):
    path = save(place(tree, "classSegmentation", "Scene20", 0), CLASSES + 1)
    fails(tree, path, "the palette lacks")


def test_depth_of_eight_bits(tree, save):
    path = save(place(tree, "depth", "Scene20", 0), np.ones((HEIGHT, WIDTH)))
    fails(tree, path, "does not hold 16 bits per channel")


def test_as_cityscapes_classes():
    found = dict(zip(VKITTI14.names, align(CITYSCAPES19, VKITTI14).label_map.tolist()[:14], strict=True))
    named = {name: CITYSCAPES19.names[index] if index != 255 else None for name, index in found.items()}
    assert {name for name, other in named.items() if other is None} == {"guard rail", "misc"}
    assert (named["tree"], named["vegetation"], named["van"], named["truck"]) == (
        "vegetation",
        "vegetation",
        "car",
        "truck",
    )


def test_registered_and_pickled(tree):
    data = pickle.loads(pickle.dumps(DataSpec.parse(f"vkitti2:{tree}", "train/clone").load(video=True)))
    assert len(data) == 4
    assert data[0].labels["depth"][0, 2] == 20
    assert data.neighbours(0)[0].id.endswith("00000")


def test_fingerprint(tree, save):
    before = VKITTI2(tree).fingerprint()
    save(place(tree, "depth", "Scene20", 0), np.ones((HEIGHT, WIDTH)), np.uint16)
    assert VKITTI2(tree).fingerprint() != before
