import pickle

import numpy as np
import pytest

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.kitti.calibration import read_stereo
from robustbench_seg.data.kitti.semantics import KITTI
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.spec import DataSpec

SIZES = {"000000": (3, 12), "000001": (2, 8)}
CALIBRATION = """calib_time: 09-Jan-2012 14:00:15
corner_dist: 9.950000e-02
P_rect_02: 512 0 6.5 128 0 512 1.5 0.25 0 0 1 0.0027
P_rect_03: 512 0 6.5 -128 0 512 1.5 2 0 0 1 0.003
"""


@pytest.fixture
def labelled(tmp_path, save):
    for name, size in SIZES.items():
        for frame in ("10", "11"):
            save(tmp_path / "training" / "image_2" / f"{name}_{frame}.png", np.full((*size, 3), int(frame)))
        save(tmp_path / "training" / "semantic" / f"{name}_10.png", np.resize([7, 26, 29, 33], size))
    return tmp_path


@pytest.fixture
def calibrated(labelled):
    folder = labelled / "training" / "calib_cam_to_cam"
    folder.mkdir()
    for name in SIZES:
        (folder / f"{name}.txt").write_text(CALIBRATION)
    return labelled


@pytest.fixture
def with_depth(calibrated, save):
    for name, size in SIZES.items():
        path = calibrated / "training" / "disp_occ_0" / f"{name}_10.png"
        save(path, np.arange(size[0] * size[1]).reshape(size) * 256, np.uint16)
    return calibrated


def fails(root, path, *parts):
    with pytest.raises(InputError) as caught:
        list(KITTI(root))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:")
    for part in parts:
        assert part in message


def test_labelled_frames(labelled):
    data = KITTI(labelled)
    assert (data.name, data.tasks, data.classes) == ("kitti", ("semantic",), CITYSCAPES19)
    assert list(data.ids) == list(data.groups) == ["000000", "000001"]
    assert [sample.image.shape for sample in data] == [(3, 12, 3), (2, 8, 3)]
    assert data[1].labels["semantic"].tolist() == [[0, 13, 255, 18, 0, 13, 255, 18]] * 2
    assert data[0].image.max() == 10
    assert data[0].camera is None


def test_depth(with_depth):
    data = KITTI(with_depth)
    assert data.tasks == ("semantic", "depth", "normals")
    depth = data[1].labels["depth"]
    assert depth.dtype == np.float32
    # The cameras are (128 + 128) / 512 = 0.5 m apart: Z = 256 / d, and d is the pixel's number here.
    np.testing.assert_allclose(depth.ravel(), [0, *(256 / d for d in range(1, 16))], rtol=1e-6)


def test_intrinsics_are_of_the_left_camera(calibrated):
    data = KITTI(calibrated)
    assert data.tasks == ("semantic",)
    intrinsics = data[0].camera["intrinsics"]
    assert intrinsics.dtype == np.float32
    assert intrinsics.tolist() == [[512.0, 0.0, 6.5], [0.0, 512.0, 1.5], [0.0, 0.0, 1.0]]


def test_disparity_without_calibration_gives_no_depth(labelled, save):
    save(labelled / "training" / "disp_occ_0" / "000000_10.png", np.ones((3, 12)), np.uint16)
    assert KITTI(labelled).tasks == ("semantic",)


def test_registered_and_training_by_default(labelled):
    data = DataSpec.parse(f"kitti:{labelled}").load()
    assert isinstance(data, KITTI)
    assert len(DataSpec.parse(f"kitti:{labelled}", "training").load()) == len(data) == 2


@pytest.mark.parametrize("split", ["val", "testing"])
def test_no_other_split(labelled, split):
    with pytest.raises(UsageError, match=f"no labelled split '{split}'; use training"):
        KITTI(labelled, split)


def test_nothing_there(tmp_path):
    fails(tmp_path, tmp_path / "training" / "image_2", "is missing", "unpack data_semantics.zip")


def test_no_frames(labelled):
    for name in SIZES:
        (labelled / "training" / "image_2" / f"{name}_10.png").unlink()
    fails(labelled, labelled / "training" / "image_2", "holds no *_10.png", "data_semantics.zip")


def test_missing_label(labelled):
    (labelled / "training" / "semantic" / "000001_10.png").unlink()
    fails(labelled, labelled / "training" / "image_2" / "000001_10.png", "has no semantic labels")


def test_missing_calibration(with_depth):
    path = with_depth / "training" / "calib_cam_to_cam" / "000001.txt"
    path.unlink()
    fails(with_depth, path, "No such file", "calibration file")


BAD_CALIBRATIONS = {
    "no right camera": (CALIBRATION.replace("P_rect_03", "P_rect_04"), "has no P_rect_03"),
    "text": (CALIBRATION.replace("0.0027", "many"), "has a P_rect_02 that is no row of numbers"),
    "too short": (CALIBRATION.replace("0.0027", ""), "has a P_rect_02 of 11 numbers, not 12"),
    "not finite": (CALIBRATION.replace("0.0027", "nan"), "12 finite"),
    "cameras swapped": (CALIBRATION.replace("128", "-128").replace("--", ""), "baseline that is not above 0"),
}


@pytest.mark.parametrize("case", BAD_CALIBRATIONS)
def test_bad_calibration(with_depth, case):
    text, part = BAD_CALIBRATIONS[case]
    path = with_depth / "training" / "calib_cam_to_cam" / "000000.txt"
    path.write_text(text)
    fails(with_depth, path, part)


def test_calibration_that_is_no_text(with_depth):
    path = with_depth / "training" / "calib_cam_to_cam" / "000000.txt"
    path.write_bytes(b"\xff\xfe\x00")
    fails(with_depth, path, "not text")


def test_baseline_of_the_published_numbers(tmp_path):
    path = tmp_path / "000000.txt"
    path.write_text(
        "P_rect_02: 721.5377 0 609.5593 44.85728 0 721.5377 172.854 0.2163791 0 0 1 0.002745884\n"
        "P_rect_03: 721.5377 0 609.5593 -339.5242 0 721.5377 172.854 2.199936 0 0 1 0.002729905\n"
    )
    _, stereo = read_stereo(path)
    assert stereo.focal == 721.5377
    assert stereo.baseline == pytest.approx(0.54, abs=0.01)


def test_calibrations_are_in_the_fingerprint(with_depth):
    first = KITTI(with_depth).fingerprint()
    (with_depth / "training" / "calib_cam_to_cam" / "000000.txt").write_text(CALIBRATION + "\n")
    assert KITTI(with_depth).fingerprint() != first


def test_pickled_for_a_worker(with_depth):
    assert pickle.loads(pickle.dumps(KITTI(with_depth)))[0].labels["depth"][0, 2] == 128
