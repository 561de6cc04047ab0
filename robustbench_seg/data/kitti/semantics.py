"""KITTI's semantic benchmark of 2015: the 200 training frames of its stereo and flow benchmarks, labelled."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from robustbench_seg.classes import CITYSCAPES19
from robustbench_seg.data.city_labels import FROM_LABEL_IDS
from robustbench_seg.data.files import FileDataset, LabelFiles, files_ending
from robustbench_seg.data.images import read_mapped_labels
from robustbench_seg.data.kitti.calibration import read_stereo
from robustbench_seg.data.stereo import read_disparity
from robustbench_seg.data.trees import files_of
from robustbench_seg.errors import UsageError

SPLIT = "training"
_ENDING = "_10.png"
_ARCHIVE = "data_semantics.zip in the root"


class KITTI(FileDataset):
    """The labelled frames of KITTI 2015 with the ids of `CITYSCAPES19`; each forms a group.

    ROOT/training/image_2/000000_10.png
    ROOT/training/semantic/000000_10.png           label ids of Cityscapes
    ROOT/training/disp_occ_0/000000_10.png         optional, with calib_cam_to_cam: depth
    ROOT/training/calib_cam_to_cam/000000.txt      optional: camera

    Depth is that of `read_disparity` with the rig of each frame, where both `disp_occ_0` and `calib_cam_to_cam`
    are there, and normals are those of `normals_from_depth`, fewer than depths, which are from laser scans. Frames
    differ in size.
    """

    name = "kitti"
    classes = CITYSCAPES19
    terms = "KITTI: CC BY-NC-SA 3.0; cite Menze and Geiger, CVPR 2015, and Alhaija et al., IJCV 2018"

    def __init__(self, root: str | Path, split: str = SPLIT) -> None:
        """Opens the folder that holds `training`, the one split with public labels, which evaluations use whole.

        UsageError for another split; InputError where frames and labels do not match. Files are read with a sample.
        """
        if split != SPLIT:
            raise UsageError(f"kitti has no labelled split '{split}'; use {SPLIT}, the 200 labelled images")
        self.split, self.splits = split, (SPLIT,)
        folder = Path(root).expanduser()
        base = folder / SPLIT
        images = files_of(base / "image_2", _ENDING, _ARCHIVE)
        semantic = files_of(base / "semantic", _ENDING, _ARCHIVE)
        labels = {"semantic": LabelFiles(semantic, partial(read_mapped_labels, table=FROM_LABEL_IDS))}
        calibrations = base / "calib_cam_to_cam"
        files = [calibrations / f"{name}.txt" for name in images] if calibrations.is_dir() else []
        if files and (base / "disp_occ_0").is_dir():
            read = partial(_read_depth, calibrations=calibrations)
            labels["depth"] = LabelFiles(files_ending([base / "disp_occ_0"], _ENDING), read)
        intrinsics = partial(_read_intrinsics, calibrations=calibrations) if files else None
        super().__init__(folder, images, labels, {"camera": files}, intrinsics)
        self.groups = self.ids


def _read_intrinsics(name: str, size: tuple[int, int], calibrations: Path) -> npt.NDArray[np.float32]:
    return read_stereo(calibrations / f"{name}.txt")[0]


def _read_depth(path: Path, calibrations: Path) -> npt.NDArray[np.float32]:
    _, stereo = read_stereo(calibrations / f"{path.name.removesuffix(_ENDING)}.txt")
    return read_disparity(path, stereo)
