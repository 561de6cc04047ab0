import json
import pickle

import numpy as np
import pytest

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.base import Video
from robustbench_seg.data.city_labels import FROM_LABEL_IDS
from robustbench_seg.data.cityscapes import NOMINAL, Cityscapes, read_camera
from robustbench_seg.data.stereo import Stereo, read_disparity
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.spec import DataSpec

# Label id: train id, from the published label definitions.
OFFICIAL = {7: 0, 8: 1, 11: 2, 12: 3, 13: 4, 17: 5, 19: 6, 20: 7, 21: 8, 22: 9, 23: 10, 24: 11, 25: 12, 26: 13}
OFFICIAL |= {27: 14, 28: 15, 31: 16, 32: 17, 33: 18}
IDS = np.array([range(12), range(12, 24), [*range(24, 34), 255, 0]])
IMAGE = np.full((3, 12, 3), 90, np.uint8)
STUFF = np.where((IDS < 24) | (IDS == 255), IDS % 255, 0)
ULM, WEIMAR = "ulm_000001_000019", "weimar_000000_000100"
RIG = {"extrinsic": {"baseline": 0.25}, "intrinsic": {"fx": 2048.0, "fy": 2050.0, "u0": 6.5, "v0": 1.0}}


def place(root, kind, name, ending, split="val"):
    return root / kind / split / name.partition("_")[0] / f"{name}{ending}"


@pytest.fixture
def labelled(tmp_path, save):
    for name in (WEIMAR, ULM):
        save(place(tmp_path, "leftImg8bit", name, "_leftImg8bit.png"), IMAGE)
        save(place(tmp_path, "gtFine", name, "_gtFine_labelIds.png"), IDS)
        save(place(tmp_path, "gtFine", name, "_gtFine_color.png"), IMAGE)
        place(tmp_path, "gtFine", name, "_gtFine_polygons.json").write_text("{}")
    return tmp_path


@pytest.fixture
def with_instances(labelled, save):
    """One pixel of every label, but two cars of two pixels, and a group of persons in two parts."""
    ids = np.where((IDS >= 24) & (IDS < 34), IDS * 1000, IDS % 255)
    ids[0, :2], ids[0, 2:4] = 26_001, 26_002
    ids[0, 5] = ids[0, 8] = ids[1, 8] = 24
    for name in (WEIMAR, ULM):
        save(place(labelled, "gtFine", name, "_gtFine_instanceIds.png"), ids, np.uint16)
    return labelled


@pytest.fixture
def with_depth(labelled, save):
    """Disparities of the counts 0, 1, 2, ... and a camera of f = 2048 px and B = 0.25 m."""
    for name in (WEIMAR, ULM):
        save(place(labelled, "disparity", name, "_disparity.png"), np.arange(36).reshape(3, 12), np.uint16)
        camera = place(labelled, "camera", name, "_camera.json")
        camera.parent.mkdir(parents=True)
        camera.write_text(json.dumps(RIG))
    return labelled


@pytest.fixture
def with_video(with_depth, save):
    for number in (18, 19, 20):
        path = place(with_depth, "leftImg8bit_sequence", f"ulm_000001_{number:06d}", "_leftImg8bit.png")
        save(path, IMAGE + np.uint8(number))
    return with_depth


def fails(root, path, *parts, use=list):
    with pytest.raises(InputError) as caught:
        use(Cityscapes(root))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:")
    for part in parts:
        assert part in message


def test_the_label_table():
    train = {index: number for index, number in FROM_LABEL_IDS.items() if number != 255}
    assert train == OFFICIAL
    assert set(FROM_LABEL_IDS) == {*range(34), 255}


def test_every_label_id_is_read(labelled):
    data = Cityscapes(labelled)
    assert (data.name, data.tasks, data.classes) == ("cityscapes", ("semantic",), CITYSCAPES19)
    assert list(data.ids) == list(data.groups) == [ULM, WEIMAR]
    assert "Cordts" in data.terms
    sample = data[0]
    np.testing.assert_array_equal(sample.image, IMAGE)
    expected = [OFFICIAL.get(index, 255) for index in IDS.ravel().tolist()]
    assert sample.labels["semantic"].ravel().tolist() == expected
    assert sample.camera is None


def test_train_ids_where_label_ids_are_not(labelled, save):
    values = np.resize([*range(19), 255], (3, 12))
    for name in (WEIMAR, ULM):
        place(labelled, "gtFine", name, "_gtFine_labelIds.png").unlink()
        save(place(labelled, "gtFine", name, "_gtFine_labelTrainIds.png"), values)
    np.testing.assert_array_equal(Cityscapes(labelled)[1].labels["semantic"], values)


def test_label_ids_win_over_train_ids(labelled, save):
    save(place(labelled, "gtFine", ULM, "_gtFine_labelTrainIds.png"), np.zeros((3, 12)))
    assert Cityscapes(labelled)[0].labels["semantic"][0, 8] == 1


def test_depth_of_a_disparity(with_depth):
    data = Cityscapes(with_depth)
    assert data.tasks == ("semantic", "depth", "normals")
    depth = data[0].labels["depth"]
    assert depth.dtype == np.float32
    # f B = 512 px m and d = (p - 1) / 256 px: Z = 131072 / (p - 1) m.
    expected = [0, 0, *(131072 / (count - 1) for count in range(2, 36))]
    np.testing.assert_allclose(depth.ravel(), expected, rtol=1e-6)


def test_instances_groups_and_what_is_not_evaluated(with_instances):
    data = Cityscapes(with_instances)
    assert data.tasks == ("semantic", "detection", "instance")
    assert (data.split, data.splits) == ("val", ("train", "val"))
    assert data.sources()["instances"] == "2 .png in gtFine/val"
    label = data[0].labels["instances"]
    # Groups first, then by label id: caravan (29) and trailer (30) are void.
    assert label["labels"].tolist() == [11, 11, 12, 13, 13, 13, 14, 15, 255, 255, 16, 17, 18]
    assert label["crowd"].tolist() == [True] + [False] * 12
    assert label["boxes"][:5].tolist() == [[5, 0, 9, 2], [0, 2, 1, 3], [1, 2, 2, 3], [2, 2, 3, 3], [0, 0, 2, 1]]
    assert label["masks"].shape == (13, 3, 12)
    assert label["masks"][0].sum() == 3
    assert label["masks"].sum(0).max() == 1
    assert label["depth"].tolist() == [0] * 13
    assert {name: label[name].dtype.name for name in label} == {
        "boxes": "float32",
        "labels": "int64",
        "masks": "bool",
        "depth": "float32",
        "crowd": "bool",
    }


def test_median_depth_of_instances(with_instances, with_depth):
    data = Cityscapes(with_depth)
    assert data.tasks == ("semantic", "depth", "normals", "detection", "instance", "instance_depth")
    sample = pickle.loads(pickle.dumps(data[0]))
    depth = sample.labels["instances"]["depth"]
    # Counts of the group's pixels are 5, 8 and 20, of the cars' 0 (invalid) and 1 (infinitely far), and 2 and 3.
    np.testing.assert_allclose(depth[0], 131072 / 7, rtol=1e-6)
    assert depth[4] == 0
    np.testing.assert_allclose(depth[5], (131072 + 131072 / 2) / 2, rtol=1e-6)


def test_instances_are_read_where_they_are_asked_for(with_instances):
    path = place(with_instances, "gtFine", ULM, "_gtFine_instanceIds.png")
    path.write_bytes(b"broken")
    sample = Cityscapes(with_instances)[0]
    assert list(sample.labels) == ["semantic", "instances"]
    assert sample.labels["semantic"].shape == (3, 12)
    with pytest.raises(InputError, match=r"instanceIds.png: is not an image"):
        sample.labels["instances"]


def read_instances(data):
    return [sample.labels["instances"] for sample in data]


@pytest.mark.parametrize(
    ("values", "dtype", "part"),
    [
        (STUFF, np.uint8, "is not a 16-bit grey image (L)"),
        (STUFF[:2], np.uint16, "is 12x2, its image 12x3"),
        (STUFF + 58_392, np.uint16, "holds 58392, an instance id of no label"),
    ],
)
def test_wrong_instance_ids(with_instances, save, values, dtype, part):
    path = save(place(with_instances, "gtFine", ULM, "_gtFine_instanceIds.png"), values, dtype)
    fails(with_instances, path, part, use=read_instances)


def test_an_image_without_instance_ids(with_instances):
    place(with_instances, "gtFine", ULM, "_gtFine_instanceIds.png").unlink()
    fails(with_instances, place(with_instances, "leftImg8bit", ULM, "_leftImg8bit.png"), "has no instance labels")


def test_masks_beyond_the_memory_are_refused(with_instances, monkeypatch):
    monkeypatch.setattr("robustbench_seg.data.instances.MAX_MASK_PIXELS", 3 * 12 * 13 - 1)
    path = place(with_instances, "gtFine", ULM, "_gtFine_instanceIds.png")
    fails(with_instances, path, "has 13 instances in an image of 12x3", use=read_instances)


def test_no_instance_at_all(with_instances, save):
    save(place(with_instances, "gtFine", ULM, "_gtFine_instanceIds.png"), STUFF, np.uint16)
    label = Cityscapes(with_instances)[0].labels["instances"]
    shapes = {"boxes": (0, 4), "labels": (0,), "masks": (0, 3, 12), "depth": (0,), "crowd": (0,)}
    assert {name: value.shape for name, value in label.items()} == shapes


def test_a_known_depth_comes_back(tmp_path, save):
    metres = np.array([[4.0, 10.0, 79.5]])
    stereo = Stereo(2262.52, 0.209313)
    counts = np.rint(256 * 2262.52 * 0.209313 / metres + 1)
    depth = read_disparity(save(tmp_path / "d.png", counts, np.uint16), stereo, zero=1)
    # Half a count of 256 / px is the rounding of the file: dZ = Z^2 / (512 f B).
    assert (np.abs(depth - metres) <= metres**2 / (512 * 2262.52 * 0.209313) * 1.01).all()


def test_kitti_counts_start_at_zero(tmp_path, save):
    path = save(tmp_path / "d.png", [[0, 1, 256]], np.uint16)
    assert read_disparity(path, Stereo(500.0, 0.5)).tolist() == [[0.0, 64000.0, 250.0]]


def test_nominal_rig_without_camera_files(with_depth):
    (with_depth / "camera").rename(with_depth / "elsewhere")
    data = Cityscapes(with_depth)
    sample = data[0]
    assert sample.camera is None
    assert data.tasks == ("semantic", "depth"), "normals need a camera"
    np.testing.assert_allclose(sample.labels["depth"][0, 2], 256 * 2262.52 * 0.209313, rtol=1e-6)
    assert Stereo(2262.52, 0.209313) == NOMINAL


def test_each_image_has_its_own_camera(with_depth):
    rig = json.loads(json.dumps(RIG))
    rig["extrinsic"]["baseline"] = 0.5
    place(with_depth, "camera", WEIMAR, "_camera.json").write_text(json.dumps(rig))
    ulm, weimar = Cityscapes(with_depth)
    np.testing.assert_array_equal(weimar.labels["depth"], 2 * ulm.labels["depth"])


def test_intrinsics(with_depth):
    intrinsics = Cityscapes(with_depth)[0].camera["intrinsics"]
    assert intrinsics.dtype == np.float32
    # Camera files are of frames of 2048x1024 pixels, these have 12x3.
    across, down = 12 / 2048, 3 / 1024
    expected = [[2048 * across, 0, 7 * across - 0.5], [0, 2050 * down, 1.5 * down - 0.5], [0, 0, 1]]
    np.testing.assert_allclose(intrinsics, expected, rtol=1e-6)


def test_neighbours(with_video):
    data = Cityscapes(with_video)
    assert isinstance(data, Video)
    previous, following = data.neighbours(0)
    assert (previous.id, following.id) == ("ulm_000001_000018", "ulm_000001_000020")
    assert (previous.image[0, 0, 0], following.image[0, 0, 0]) == (108, 110)
    assert previous.camera["intrinsics"][0, 0] == following.camera["intrinsics"][0, 0] == 12
    assert previous.labels == following.labels == {}


@pytest.mark.parametrize("number", [18, 20])
def test_one_neighbour_is_missing(with_video, number):
    path = place(with_video, "leftImg8bit_sequence", f"ulm_000001_{number:06d}", "_leftImg8bit.png")
    path.unlink()
    fails(with_video, path, f"neighbour of {ULM}", "leftImg8bit_sequence_", use=lambda data: data.neighbours(0))


def test_a_neighbour_of_another_size(with_video, save):
    path = place(with_video, "leftImg8bit_sequence", "ulm_000001_000020", "_leftImg8bit.png")
    save(path, np.zeros((2, 2, 3)))
    fails(with_video, path, "is 2x2, the labelled frame", use=lambda data: data.neighbours(0))


def test_no_sequence(labelled):
    path = place(labelled, "leftImg8bit_sequence", "weimar_000000_000099", "_leftImg8bit.png")
    fails(labelled, path, f"neighbour of {WEIMAR}", use=lambda data: data.neighbours(1))


def test_test_labels_are_withheld(labelled):
    with pytest.raises(UsageError, match=r"test are withheld; use val$"):
        Cityscapes(labelled, "test")


def test_unknown_split(labelled):
    with pytest.raises(UsageError, match="'trian'; did you mean train"):
        Cityscapes(labelled, "trian")


def test_split_that_is_not_there(labelled):
    with pytest.raises(InputError, match="leftImg8bit/train: is missing"):
        Cityscapes(labelled, "train")


def test_registered(labelled):
    data = DataSpec.parse(f"cityscapes:{labelled}").load()
    assert isinstance(data, Cityscapes)
    assert list(data.ids) == [ULM, WEIMAR]


def test_image_without_label(labelled):
    place(labelled, "gtFine", ULM, "_gtFine_labelIds.png").unlink()
    fails(labelled, place(labelled, "leftImg8bit", ULM, "_leftImg8bit.png"), "has no semantic labels")


def test_image_without_disparity(with_depth):
    place(with_depth, "disparity", ULM, "_disparity.png").unlink()
    fails(with_depth, place(with_depth, "leftImg8bit", ULM, "_leftImg8bit.png"), "has no depth labels")


def test_no_labels_of_a_known_kind(labelled):
    for name in (WEIMAR, ULM):
        place(labelled, "gtFine", name, "_gtFine_labelIds.png").unlink()
    fails(labelled, labelled / "gtFine" / "val", "labelIds.png", "gtFine_trainvaltest.zip")


def test_no_images(labelled):
    for name in (WEIMAR, ULM):
        place(labelled, "leftImg8bit", name, "_leftImg8bit.png").unlink()
    fails(labelled, labelled / "leftImg8bit" / "val", "holds no CITY/*_leftImg8bit.png")


def test_foreign_image(labelled, save):
    path = save(labelled / "leftImg8bit" / "val" / "ulm" / "dog_leftImg8bit.png", IMAGE)
    fails(labelled, path, "not named as a frame")


def test_one_frame_in_two_cities(labelled, save):
    path = save(labelled / "leftImg8bit" / "val" / "weimar" / f"{ULM}_leftImg8bit.png", IMAGE)
    fails(labelled, path, f"has the name of {place(labelled, 'leftImg8bit', ULM, '_leftImg8bit.png')}")


def test_label_of_another_size(labelled, save):
    path = save(place(labelled, "gtFine", ULM, "_gtFine_labelIds.png"), IDS.T)
    fails(labelled, path, "is 3x12, its image")


def test_unknown_label_id(labelled, save):
    fails(labelled, save(place(labelled, "gtFine", ULM, "_gtFine_labelIds.png"), IDS + 1), "holds label ids 34")


def test_disparity_of_eight_bits(with_depth, save):
    fails(with_depth, save(place(with_depth, "disparity", ULM, "_disparity.png"), IDS), "is not a 16-bit grey image")


BAD_CAMERAS = {
    "no JSON": ("{", "is no JSON"),
    "another table": ('{"intrinsic": 3}', "is no camera file"),
    "no baseline": (json.dumps(RIG | {"extrinsic": {}}), "has no baseline"),
    "no intrinsics": (json.dumps({"extrinsic": {"baseline": 0.2}}), "has no intrinsic"),
    "zero baseline": (json.dumps(RIG | {"extrinsic": {"baseline": 0}}), "not above 0"),
    "infinite baseline": (json.dumps(RIG | {"extrinsic": {"baseline": np.inf}}), "not above 0"),
    "text": (json.dumps(RIG | {"extrinsic": {"baseline": "wide"}}), "is no camera file (could not convert"),
}


@pytest.mark.parametrize("case", BAD_CAMERAS)
def test_bad_camera(with_depth, case):
    text, part = BAD_CAMERAS[case]
    path = place(with_depth, "camera", ULM, "_camera.json")
    path.write_text(text)
    fails(with_depth, path, part)


def test_missing_camera(with_depth):
    path = place(with_depth, "camera", ULM, "_camera.json")
    path.unlink()
    fails(with_depth, path, "No such file")
    fails(with_depth, path, "No such file", use=lambda data: data.fingerprint())


def test_camera_file(with_depth):
    assert read_camera(place(with_depth, "camera", ULM, "_camera.json"))[1] == Stereo(2048.0, 0.25)


def test_cameras_and_disparities_are_in_the_fingerprint(with_depth, save):
    seen = {Cityscapes(with_depth).fingerprint()}
    place(with_depth, "camera", ULM, "_camera.json").write_text(json.dumps(RIG) + "\n")
    seen.add(Cityscapes(with_depth).fingerprint())
    save(place(with_depth, "disparity", ULM, "_disparity.png"), np.ones((3, 12)), np.uint16)
    seen.add(Cityscapes(with_depth).fingerprint())
    assert len(seen) == 3


def test_pickled_for_a_worker(with_video):
    data = pickle.loads(pickle.dumps(Cityscapes(with_video)))
    assert data[0].labels["depth"][0, 3] == 65536
    assert data.neighbours(0)[0].id == "ulm_000001_000018"
