import pickle

import numpy as np
import pytest

from robustbench_seg.data.base import Video
from robustbench_seg.data.kitti.raw import KITTIRaw, read_raw_camera
from robustbench_seg.data.kitti.velodyne import project, read_points
from robustbench_seg.errors import InputError
from robustbench_seg.evaluation.spec import DataSpec

DATE = "2011_09_26"
ONE, TWO = (f"{DATE}_drive_{number}_sync" for number in ("0001", "0022"))
HEIGHT, WIDTH = 6, 12
# f = 8 px, centre (5, 2); the right camera is 0.5 m to the right of the left one.
CAMERAS = """calib_time: 09-Jan-2012 13:57:47
R_rect_00: 1 0 0 0 1 0 0 0 1
S_rect_02: 1.2e+01 6.0e+00
P_rect_02: 8 0 5 0 0 8 2 0 0 0 1 0
S_rect_03: 1.2e+01 6.0e+00
P_rect_03: 8 0 5 -4 0 8 2 0 0 0 1 0
"""
# Ahead, left, up becomes right, down, ahead.
SCANNER = """calib_time: 15-Mar-2012 11:37:16
R: 0 -1 0 0 0 -1 1 0 0
T: 0 0 0
"""
# Right 1 m, down 0.5 m, ahead 4 m.
POINT = (4.0, -1.0, -0.5)


def image_file(root, drive, number, camera="02", suffix=".png"):
    return root / DATE / drive / f"image_{camera}" / "data" / f"{number:010d}{suffix}"


def scan_file(root, drive, number):
    return root / DATE / drive / "velodyne_points" / "data" / f"{number:010d}.bin"


def write_scan(path, points):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.array([[*point, 0.3] for point in points], "<f4").tofile(path)


def write_list(root, *lines, name="train"):
    (root / "splits").mkdir(exist_ok=True)
    (root / "splits" / f"{name}.txt").write_text("".join(f"{DATE}/{line}\n" for line in lines))


@pytest.fixture
def drives(tmp_path, save):
    """Two drives of four frames in both cameras; the list takes some, out of order."""
    for drive in (ONE, TWO):
        for camera in ("02", "03"):
            for number in range(4):
                save(image_file(tmp_path, drive, number, camera), np.full((HEIGHT, WIDTH, 3), 10 * number))
    (tmp_path / DATE / "calib_cam_to_cam.txt").write_text(CAMERAS)
    (tmp_path / DATE / "calib_velo_to_cam.txt").write_text(SCANNER)
    write_list(tmp_path, f"{TWO} 1 r", f"{ONE} 2 l", f"{TWO} 0000000001 l", f"{ONE} 1 l")
    return tmp_path


@pytest.fixture
def scanned(drives):
    for drive in (ONE, TWO):
        for number in range(4):
            write_scan(scan_file(drives, drive, number), [POINT])
    return drives


def fails(root, path, *parts, use=list, **options):
    with pytest.raises(InputError) as caught:
        use(KITTIRaw(root, **options))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:")
    for part in parts:
        assert part in message


def test_listed_frames(drives):
    data = KITTIRaw(drives)
    assert (data.name, data.tasks, len(data.classes)) == ("kitti-raw", (), 0)
    names = [f"{ONE}/0000000001_l", f"{ONE}/0000000002_l", f"{TWO}/0000000001_l", f"{TWO}/0000000001_r"]
    assert list(data.ids) == names
    assert list(data.groups) == [ONE, ONE, TWO, TWO]
    assert data.dropped == ()
    sample = data[1]
    assert sample.image[0, 0].tolist() == [20, 20, 20]
    assert sample.labels == {}
    assert sample.camera["intrinsics"].tolist() == [[8.0, 0.0, 5.0], [0.0, 8.0, 2.0], [0.0, 0.0, 1.0]]


def test_another_list(drives):
    (drives / "eigen_files.txt").write_text(f"\n{DATE}/{ONE} 0 l\n\n")
    assert list(KITTIRaw(drives, "eigen").ids) == [f"{ONE}/0000000000_l"]


def test_a_list_of_paths(drives):
    left, right = (f"{DATE}/{ONE}/image_{camera}/data/0000000001.jpg" for camera in ("02", "03"))
    (drives / "eigen_files.txt").write_text(f"{left} {right}\n")
    assert list(KITTIRaw(drives, "eigen").ids) == [f"{ONE}/0000000001_l"]


def test_jpeg_images(drives, save):
    for number in range(4):
        image_file(drives, ONE, number).unlink()
        save(image_file(drives, ONE, number, suffix=".jpg"), np.full((HEIGHT, WIDTH, 3), 100))
    data = KITTIRaw(drives)
    assert abs(int(data[0].image[0, 0, 0]) - 100) <= 1
    assert len(data.neighbours(0)) == 2


def test_a_point_seen_by_both_cameras(scanned):
    data = KITTIRaw(scanned)
    assert data.tasks == ("depth",)
    left, right = data[2].labels["depth"], data[3].labels["depth"]
    assert left.dtype == np.float32
    expected = np.zeros((HEIGHT, WIDTH))
    # Column 5 + 8 * 1 / 4, row 2 + 8 * 0.5 / 4; the right camera sees it f B / Z = 1 pixel to the left.
    expected[3, 7] = 4
    np.testing.assert_array_equal(left, expected)
    np.testing.assert_array_equal(right, np.roll(expected, -1, axis=1))


def test_the_chain_of_calibrations(scanned):
    folder = scanned / DATE
    half_turn = "R_rect_00: -1 0 0 0 -1 0 0 0 1"
    (folder / "calib_cam_to_cam.txt").write_text(CAMERAS.replace("R_rect_00: 1 0 0 0 1 0 0 0 1", half_turn))
    (folder / "calib_velo_to_cam.txt").write_text(SCANNER.replace("T: 0 0 0", "T: 0.5 0.25 -1"))
    # (1, 0.5, 4) + T = (1.5, 0.75, 3), and half a turn about the optical axis: (-1.5, -0.75, 3).
    camera = read_raw_camera(folder, "l")
    np.testing.assert_allclose(camera.projection @ [*POINT, 1], [-8 * 1.5 + 5 * 3, -8 * 0.75 + 2 * 3, 3])
    assert camera.size == (HEIGHT, WIDTH)
    depth = KITTIRaw(scanned)[0].labels["depth"]
    assert (np.argwhere(depth).tolist(), depth[0, 1]) == ([[0, 1]], 3)


LOOKING_ALONG_X = np.array([[0.0, -1.0, 0, 0], [0, 0, -1.0, 0], [1.0, 0, 0, 0]])


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
def test_the_nearest_point_wins(order):
    points = np.array([[8.0, -8, -8], [2.0, -2, -2], [4.0, -4, -4]])[list(order)]
    depth = project(points, LOOKING_ALONG_X, (3, 4))
    assert (np.argwhere(depth).tolist(), depth[1, 1]) == ([[1, 1]], 2)


def test_points_round_to_the_nearest_pixel():
    columns, rows = (0.4, 0.6, 3.4, -0.4), (1.4, 1.6, -0.4, 2.4)
    points = np.array([[2.0, -2 * column, -2 * row] for column, row in zip(columns, rows, strict=True)])
    seen = np.argwhere(project(points, LOOKING_ALONG_X, (3, 4)))
    assert seen.tolist() == [[0, 3], [1, 0], [2, 0], [2, 1]]


@pytest.mark.parametrize(
    "point",
    [
        (-2.0, 2.0, 2.0),
        (2.0, 1.2, -2.0),
        (2.0, -7.2, -2.0),
        (2.0, -2.0, 1.2),
        (2.0, -2.0, -5.2),
        (np.nan, 0.0, 0.0),
        (np.inf, -1.0, -1.0),
        (0.0, 0.0, 0.0),
    ],
)
def test_points_that_are_not_seen(point):
    assert not project(np.array([point]), LOOKING_ALONG_X, (3, 4)).any()


def test_points_behind_the_scanner_are_left_out_though_a_camera_sees_them():
    raised = LOOKING_ALONG_X.copy()
    raised[2, 3] = 10
    assert not project(np.array([[-2.0, -8, -8]]), raised, (3, 4)).any()
    assert project(np.array([[0.0, -10, -10]]), raised, (3, 4))[1, 1] == 10


def test_no_points():
    assert project(np.empty((0, 3)), LOOKING_ALONG_X, (3, 4)).tolist() == np.zeros((3, 4)).tolist()


def test_a_scan_is_read_back(tmp_path):
    write_scan(tmp_path / "scan.bin", [POINT, (1.0, 2.0, 3.0)])
    points = read_points(tmp_path / "scan.bin")
    assert (points.dtype, points.tolist()) == (np.float32, [list(POINT), [1.0, 2.0, 3.0]])


@pytest.mark.parametrize("data", [b"", b"0" * 15, b"0" * 20])
def test_a_scan_of_part_of_a_point(scanned, data):
    scan_file(scanned, ONE, 1).write_bytes(data)
    fails(scanned, scan_file(scanned, ONE, 1), f"has {len(data)} bytes")


def test_a_frame_without_scan_has_no_valid_depth(scanned):
    scan_file(scanned, ONE, 1).unlink()
    data = KITTIRaw(scanned)
    assert not data[0].labels["depth"].any()
    assert data[1].labels["depth"].any()


def test_neighbours(drives):
    data = KITTIRaw(drives)
    assert isinstance(data, Video)
    previous, following = data.neighbours(3)
    assert (previous.id, following.id) == (f"{TWO}/0000000000_r", f"{TWO}/0000000002_r")
    assert (previous.image.max(), following.image.max()) == (0, 20)
    assert previous.labels == {}
    np.testing.assert_array_equal(previous.camera["intrinsics"], data[3].camera["intrinsics"])


def test_frames_at_the_ends_of_a_drive(drives):
    write_list(drives, *(f"{ONE} {number} l" for number in range(4)))
    for number, lacking in ((0, "previous"), (3, "next")):
        part = f"has no {lacking} image"
        fails(
            drives, image_file(drives, ONE, number), part, "video=True", use=lambda data, n=number: data.neighbours(n)
        )
    assert len(KITTIRaw(drives)) == 4
    data = KITTIRaw(drives, video=True)
    assert list(data.ids) == [f"{ONE}/0000000001_l", f"{ONE}/0000000002_l"]
    assert data.dropped == (f"{ONE}/0000000000_l", f"{ONE}/0000000003_l")
    assert [len(data.neighbours(index)) for index in range(len(data))] == [2, 2]


def test_no_frame_with_neighbours(drives):
    write_list(drives, f"{ONE} 0 l")
    fails(drives, drives / "splits" / "train.txt", "names no frame with a previous", video=True)


def test_registered(scanned):
    data = DataSpec.parse(f"kitti-raw:{scanned}").load()
    assert isinstance(data, KITTIRaw)
    assert data.tasks == ("depth",)
    assert DataSpec.parse(f"kitti-raw:{scanned}", "train").load(video=True).ids == data.ids


def test_no_list(drives):
    fails(drives, drives / "splits" / "val.txt", "is missing, nor is there a val_files.txt", "473 r", split="val")


BAD_LISTS = {
    "empty": ("\n\n", "names no frame"),
    "another form": (f"{DATE}/{ONE}/image_02/data/0000000000.tif\n", "line 1 is"),
    "a grey camera": (f"{DATE}/{ONE}/image_00/data/0000000000.png\n", "line 1 is"),
    "side": (f"{DATE}/{ONE} 1 l\n{DATE}/{ONE} 1 x\n", "line 2 is"),
    "number": (f"{DATE}/{ONE} one l\n", "line 1 is"),
    "date of another drive": (f"2011_09_28/{ONE} 1 l\n", "line 1 is"),
    "twice": (f"{DATE}/{ONE} 1 l\n{DATE}/{ONE} 01 l\n", "line 2 names a frame a second time"),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_bad_list(drives, case):
    text, part = BAD_LISTS[case]
    path = drives / "splits" / "train.txt"
    path.write_text(text)
    fails(drives, path, part)


def test_a_list_that_is_no_text(drives):
    path = drives / "splits" / "train.txt"
    path.write_bytes(b"\xff\xfe")
    fails(drives, path, "not text")


def test_missing_image(drives):
    path = image_file(drives, ONE, 1)
    path.unlink()
    fails(drives, path, "is missing")


def test_missing_drive(drives):
    write_list(drives, f"{DATE}_drive_0005_sync 1 l")
    path = image_file(drives, f"{DATE}_drive_0005_sync", 1).parent
    fails(drives, path, "cannot be listed")


@pytest.mark.parametrize("name", ["calib_cam_to_cam.txt", "calib_velo_to_cam.txt"])
def test_missing_calibration(drives, name):
    (drives / DATE / name).unlink()
    fails(drives, drives / DATE / name, "No such file")


def test_a_focal_length_of_zero(drives):
    path = drives / DATE / "calib_cam_to_cam.txt"
    path.write_text(CAMERAS.replace("P_rect_02: 8 0 5", "P_rect_02: 0 0 5"))
    fails(drives, path, "focal length in P_rect_02 that is not above 0")


def test_image_of_another_size(drives, save):
    path = save(image_file(drives, ONE, 1), np.zeros((3, 6, 3)))
    fails(drives, path, "is 6x3", "for 12x6")
    fails(drives, path, "is 6x3", use=lambda data: data.neighbours(1))


def test_frames_scans_and_calibrations_are_in_the_fingerprint(scanned):
    seen = {KITTIRaw(scanned).fingerprint()}
    write_scan(scan_file(scanned, ONE, 1), [POINT, POINT])
    seen.add(KITTIRaw(scanned).fingerprint())
    (scanned / DATE / "calib_velo_to_cam.txt").write_text(SCANNER + "\n")
    seen.add(KITTIRaw(scanned).fingerprint())
    write_list(scanned, f"{ONE} 1 l")
    seen.add(KITTIRaw(scanned).fingerprint())
    assert len(seen) == 4


def test_pickled_for_a_worker(scanned):
    data = pickle.loads(pickle.dumps(KITTIRaw(scanned)))
    assert data[0].labels["depth"][3, 7] == 4
    assert data.neighbours(0)[1].image.max() == 20
