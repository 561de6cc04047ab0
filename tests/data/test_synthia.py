import numpy as np
import pytest

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.synthia import SYNTHIA, SYNTHIASF
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.spec import DataSpec

# The table of the archive's README.txt, and the trainId that the 16-class benchmark gives each (255: none).
README = """void 0 255
sky 1 10
Building 2 2
Road 3 0
Sidewalk 4 1
Fence 5 4
Vegetation 6 8
Pole 7 5
Car 8 13
Traffic_sign 9 7
Pedestrian 10 11
Bicycle 11 18
Motorcycle 12 17
Parking-slot 13 255
Road-work 14 255
Traffic_light 15 6
Terrain 16 255
Rider 17 12
Truck 18 255
Bus 19 15
Train 20 255
Wall 21 3
Lanemarking 22 255
"""
TRAIN_IDS = {int(line.split()[1]): int(line.split()[2]) for line in README.splitlines()}
IDS = np.array([range(23)] * 3)
HEIGHT, WIDTH = IDS.shape
DEEP = 2
# 24-bit counts: a full count is 1000 m.
SF_IDS = np.array([range(23)] * 3)


@pytest.fixture
def save_deep(raw_png):
    """Save (H,W,3) as a 16-bit RGB PNG, which Pillow cannot."""

    def write(path, values):
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [np.ascontiguousarray(row, ">u2").tobytes() for row in np.asarray(values)]
        path.write_bytes(raw_png(len(values[0]), rows, 16, DEEP))
        return path

    return write


@pytest.fixture
def random_images(tmp_path, save, save_deep):
    """RAND_CITYSCAPES: ten images; instances of the second channel exceed 8 bits."""
    for number in range(10):
        name = f"{number:07d}.png"
        save(tmp_path / "RGB" / name, np.full((HEIGHT, WIDTH, 3), number))
        save(tmp_path / "GT" / "COLOR" / name, np.zeros((HEIGHT, WIDTH, 3)))
        save_deep(tmp_path / "GT" / "LABELS" / name, np.stack([IDS, IDS * 300, IDS * 0], -1))
        save(tmp_path / "GT" / "LABELS" / f"{number:07d}_labelTrainIds.png", IDS)
        counts = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH)
        save_deep(tmp_path / "Depth" / "Depth" / name, np.stack([np.where(counts == 1, 65535, counts)] * 3, -1))
    return tmp_path


def encoded(counts):
    """24-bit counts as the channels of a picture, red the least."""
    counts = np.asarray(counts)
    return np.stack([counts % 256, counts // 256 % 256, counts // 65536], -1)


@pytest.fixture
def drives(tmp_path, save):
    """SYNTHIA-SF: two frames a sequence, with what lies beside them."""
    counts = np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) * 100_003
    counts[0, 1] = 2**24 - 1
    for sequence in range(1, 7):
        for number in range(2):
            folder, name = tmp_path / f"SEQ{sequence}", f"{number:07d}.png"
            for side in ("Left", "Right"):
                save(folder / f"RGB{side}" / name, np.full((HEIGHT, WIDTH, 4), 9))
                save(folder / f"GT{side}" / name, np.stack([SF_IDS, SF_IDS * 0, SF_IDS * 5, SF_IDS * 0 + 255], -1))
                save(folder / f"Depth{side}" / name, np.dstack([encoded(counts), np.full((HEIGHT, WIDTH), 255)]))
            save(folder / "GTLeftDebug" / name, np.zeros((HEIGHT, WIDTH, 3)))
    return tmp_path


def fails(data_set, root, path, *parts, use=list):
    with pytest.raises(InputError) as caught:
        use(data_set(root))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:")
    for part in parts:
        assert part in message


def test_random_images(random_images):
    data = SYNTHIA(random_images, "all")
    assert (data.name, data.tasks, data.classes) == ("synthia", ("semantic", "depth", "normals"), CITYSCAPES19)
    assert list(data.ids) == list(data.groups) == [f"{number:07d}" for number in range(10)]
    sample = data[7]
    assert sample.image[0, 0].tolist() == [7, 7, 7]
    assert sample.labels["semantic"][0].tolist() == [TRAIN_IDS[index] for index in range(23)]
    assert len(set(TRAIN_IDS.values()) - {255}) == 16


def test_every_fifth_image_is_val(random_images):
    train, val = SYNTHIA(random_images, "train"), SYNTHIA(random_images)
    assert list(val.ids) == ["0000000", "0000005"]
    assert sorted([*train.ids, *val.ids]) == list(SYNTHIA(random_images, "all").ids)


def test_centimetres(random_images):
    depth = SYNTHIA(random_images)[0].labels["depth"]
    expected = [0, 0, *(count / 100 for count in range(2, HEIGHT * WIDTH))]
    np.testing.assert_allclose(depth.ravel(), expected, rtol=1e-6)


def test_depth_in_grey(random_images, save):
    for number in (0, 5):
        save(random_images / "Depth" / "Depth" / f"{number:07d}.png", np.full((HEIGHT, WIDTH), 1234), np.uint16)
    assert SYNTHIA(random_images)[0].labels["depth"][0, 0] == np.float32(12.34)


def test_camera(random_images):
    # 1280x760 with f = 532.740352 px and its centre at the image's.
    found = SYNTHIA(random_images)[0].camera["intrinsics"]
    expected = [[532.740352 * WIDTH / 1280, 0, (WIDTH - 1) / 2], [0, 532.740352 * HEIGHT / 760, (HEIGHT - 1) / 2]]
    np.testing.assert_allclose(found[:2], expected, rtol=1e-6)


def test_depth_as_the_readme_says(random_images):
    (random_images / "Depth").rename(random_images / "elsewhere")
    (random_images / "elsewhere" / "Depth").rename(random_images / "Depth")
    assert SYNTHIA(random_images)[0].labels["depth"].max() > 0


def test_without_depth(random_images):
    (random_images / "Depth").rename(random_images / "elsewhere")
    assert SYNTHIA(random_images).tasks == ("semantic",)


def test_the_folder_around(random_images, tmp_path_factory):
    root = tmp_path_factory.mktemp("around")
    (root / "RAND_CITYSCAPES").symlink_to(random_images)
    assert len(SYNTHIA(root)) == 2


def test_another_folder(random_images):
    path = random_images / "RGB" / "GT" / "LABELS"
    fails(SYNTHIA, random_images / "RGB", path, "is missing; unpack SYNTHIA_RAND_CITYSCAPES.rar")


def test_no_numbered_file(random_images):
    for path in (random_images / "RGB").iterdir():
        path.rename(path.with_name(f"x{path.name}"))
    fails(SYNTHIA, random_images, random_images / "RGB", "holds no <number>.png")


def test_labels_of_eight_bits(random_images, save):
    path = save(random_images / "GT" / "LABELS" / "0000000.png", np.stack([IDS] * 3, -1))
    fails(SYNTHIA, random_images, path, "does not hold 16 bits per channel (RGB)")


def test_an_id_of_no_class(random_images, save_deep):
    path = save_deep(random_images / "GT" / "LABELS" / "0000000.png", np.full((HEIGHT, WIDTH, 3), 300))
    fails(SYNTHIA, random_images, path, "holds label ids 300 that no class has")


def test_a_label_cut_short(random_images):
    path = random_images / "GT" / "LABELS" / "0000000.png"
    path.write_bytes(path.read_bytes()[:-30])
    fails(SYNTHIA, random_images, path, "is a broken image")


def test_unknown_split(random_images):
    with pytest.raises(UsageError, match="'trian'; did you mean train"):
        SYNTHIA(random_images, "trian")


def test_drives(drives):
    data = SYNTHIASF(drives)
    assert (data.name, data.tasks, data.classes) == ("synthia-sf", ("semantic", "depth", "normals"), CITYSCAPES19)
    assert list(data.ids) == ["SEQ3/0000000", "SEQ3/0000001"]
    assert list(data.groups) == ["SEQ3", "SEQ3"]
    # Void, the 19 classes, road lines (road), other, road works.
    assert data[0].labels["semantic"][0].tolist() == [255, *range(19), 0, 255, 255]


def test_drives_by_split(drives):
    sets = {split: set(SYNTHIASF(drives, split).groups) for split in ("train", "val", "test", "SEQ5")}
    expected = {"train": {"SEQ2", "SEQ4", "SEQ5", "SEQ6"}, "val": {"SEQ3"}, "test": {"SEQ1"}, "SEQ5": {"SEQ5"}}
    assert sets == expected
    with pytest.raises(UsageError, match="SEQ6"):
        SYNTHIASF(drives, "SEQ7")


def test_depth_in_24_bits(drives):
    depth = SYNTHIASF(drives)[0].labels["depth"]
    assert (depth[0, 0], depth[0, 1]) == (0, 0), "nothing, and the far plane"
    expected = [100_003 * count * 1000 / 16_777_215 for count in range(2, HEIGHT * WIDTH)]
    np.testing.assert_allclose(depth.ravel()[2:], expected, rtol=1e-6)


def test_known_depths_in_24_bits(drives, save):
    save(drives / "SEQ3" / "DepthLeft" / "0000000.png", np.tile([[[77, 190, 1]]], (HEIGHT, WIDTH, 1)))
    # 77 + 256 190 + 65536 = 114253 of 16777215 kilometres.
    np.testing.assert_allclose(SYNTHIASF(drives)[0].labels["depth"], 6.81001, rtol=1e-6)


def test_a_picture_of_depth(drives, save):
    path = save(drives / "SEQ3" / "DepthLeft" / "0000000.png", np.stack([SF_IDS * 7] * 3, -1))
    fails(SYNTHIASF, drives, path, "is a grey picture of depth")


def test_a_sequence_that_is_not_there(drives):
    (drives / "SEQ3").rename(drives / "elsewhere")
    fails(SYNTHIASF, drives, drives / "SEQ3" / "GTLeft", "is missing", "unpack SYNTHIA-SF.zip")


def test_coloured_labels(drives, save):
    path = save(drives / "SEQ3" / "GTLeft" / "0000001.png", np.full((HEIGHT, WIDTH, 3), 128))
    fails(SYNTHIASF, drives, path, "holds label ids 128 that no class has")


@pytest.mark.parametrize(("name", "kind"), [("synthia", SYNTHIA), ("synthia-sf", SYNTHIASF)])
def test_registered(random_images, drives, name, kind):
    data = DataSpec.parse(f"{name}:{random_images}", "train").load()
    assert isinstance(data, kind)
    assert len(data) == 8
