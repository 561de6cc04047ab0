"""KITTI's raw recordings, synchronised and rectified: video of two colour cameras, and depth from the laser scanner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import ClassSet
from robustbench_seg.data.base import Sample
from robustbench_seg.data.files import FileDataset
from robustbench_seg.data.images import bad_file, check_size, read_image
from robustbench_seg.data.kitti.calibration import FIX, Float, intrinsics, read_calibration
from robustbench_seg.data.kitti.lists import CAMERAS, Shot, find_list, locate, read_list
from robustbench_seg.data.kitti.velodyne import project, read_points

_CAMERA_FILE = "calib_cam_to_cam.txt"
_SCANNER_FILE = "calib_velo_to_cam.txt"


@dataclass(frozen=True)
class RawCamera:
    """A calibrated camera: `intrinsics` (3,3), `projection` (3,4) from the laser scanner's frame, `size` (H,W)."""

    intrinsics: npt.NDArray[np.float32]
    projection: Float
    size: tuple[int, int]


class KITTIRaw(FileDataset):
    """The frames of KITTI's raw recordings that a list names; a drive is a group, both its cameras together.

    ROOT/splits/SPLIT.txt, or ROOT/SPLIT_files.txt           lines of `2011_09_26/2011_09_26_drive_0022_sync 473 r`
    ROOT/DATE/calib_cam_to_cam.txt, calib_velo_to_cam.txt
    ROOT/DATE/DRIVE/image_02/data/0000000000.png             or .jpg; image_03 is the right camera
    ROOT/DATE/DRIVE/velodyne_points/data/0000000000.bin      optional: depth

    Where laser scans are there the task is `depth`, sparse as `velodyne.project` gives it; a frame whose scan is
    missing (the recordings lack a few) has no valid pixel. Every listed frame is a sample, so that published lists
    keep their length. Neighbours that are not listed are no part of the fingerprint.
    """

    name = "kitti-raw"
    classes = ClassSet("kitti-raw", (), ())
    terms = "KITTI: CC BY-NC-SA 3.0; cite Geiger et al., IJRR 2013"

    def __init__(self, root: str | Path, split: str = "train", video: bool = False) -> None:
        """Opens the folder that holds the dates and the lists, of which `split` names one.

        `video` drops the listed frames, at the ends of a drive, that lack a previous or a next image, as training on
        video needs both; `dropped` has their ids. InputError where the list, an image, a calibration or any frame is
        missing or wrong; images and scans are read with a sample.
        """
        folder = Path(root).expanduser()
        listing = find_list(folder, split)
        shots = locate(folder, read_list(listing))
        self._shots = {name: shot for name, shot in shots.items() if not video or (shot.previous and shot.following)}
        self.dropped = tuple(sorted(shots.keys() - self._shots.keys()))
        if not self._shots:
            raise bad_file(listing, "names no frame with a previous and a next image", "copy whole drives")
        keys = sorted({(shot.frame.date, shot.frame.side) for shot in self._shots.values()})
        self._cameras = {(date, side): read_raw_camera(folder / date, side) for date, side in keys}
        scans = [shot.scan for shot in self._shots.values() if shot.scan]
        calibrations = [folder / date / file for date, _ in self._cameras for file in (_CAMERA_FILE, _SCANNER_FILE)]
        images = {name: shot.image for name, shot in self._shots.items()}
        super().__init__(folder, images, {}, also={"camera": calibrations, "depth": scans})
        self.split = split
        self.tasks = ("depth",) if scans else ()
        self.groups = [self._shots[name].frame.drive for name in self.ids]

    def __getitem__(self, index: int) -> Sample:
        """The sample at `index`; InputError where a file is wrong or the image is not of the calibrated size."""
        shot = self._shots[self.ids[index]]
        sample = self._frame(shot, shot.image, 0)
        return replace(sample, labels={"depth": _depth(shot, self._camera(shot))}) if self.tasks else sample

    def neighbours(self, index: int) -> tuple[Sample, Sample]:
        """The previous and the next frame of the same camera, without labels; InputError where one is missing."""
        shot = self._shots[self.ids[index]]
        if shot.previous is None or shot.following is None:
            lacking = "next" if shot.previous else "previous"
            fix = "open the data set with video=True to drop such frames, or copy the whole drive"
            raise bad_file(shot.image, f"has no {lacking} image beside it", fix)
        return self._frame(shot, shot.previous, -1), self._frame(shot, shot.following, 1)

    def _frame(self, shot: Shot, path: Path, step: int) -> Sample:
        """The image `step` frames from a shot, without labels."""
        camera, image = self._camera(shot), read_image(path)
        fix = "use the images as distributed (synchronised and rectified)"
        check_size(path, image.shape, camera.size, "its calibration (S_rect) is for", fix)
        frame = replace(shot.frame, number=shot.frame.number + step)
        return Sample(frame.id, image, {}, {"intrinsics": camera.intrinsics})

    def _camera(self, shot: Shot) -> RawCamera:
        return self._cameras[shot.frame.date, shot.frame.side]


def read_raw_camera(folder: Path, side: str) -> RawCamera:
    """The camera of `side` (`l` or `r`) from the calibration files of a date.

    Projection = P_rect of the camera, times R_rect of camera 0, times the scanner's rigid transform to camera 0
    (Geiger et al. 2013, eq. 8). InputError where a file or an entry is missing or wrong.
    """
    number = CAMERAS[side]
    rectified, size = f"P_rect_{number}", f"S_rect_{number}"
    camera = read_calibration(folder / _CAMERA_FILE, {rectified: (3, 4), "R_rect_00": (3, 3), size: (2,)})
    scanner = read_calibration(folder / _SCANNER_FILE, {"R": (3, 3), "T": (3,)})
    projection = camera[rectified] @ _rigid(camera["R_rect_00"]) @ _rigid(scanner["R"], scanner["T"])
    width, height = camera[size]
    if min(camera[rectified][0, 0], camera[rectified][1, 1]) <= 0:
        raise bad_file(folder / _CAMERA_FILE, f"has a focal length in {rectified} that is not above 0", FIX)
    return RawCamera(intrinsics(camera[rectified]), projection, (int(height), int(width)))


def _rigid(rotation: Float, translation: Float | float = 0.0) -> Float:
    """A rotation (3,3) and a translation (3,) as one matrix (4,4)."""
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation, translation
    return matrix


def _depth(shot: Shot, camera: RawCamera) -> npt.NDArray[np.float32]:
    if shot.scan is None:
        return np.zeros(camera.size, np.float32)
    return project(read_points(shot.scan), camera.projection, camera.size)
