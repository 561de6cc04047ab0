import importlib
import pickle

import numpy as np
import pytest
from scipy.io import savemat

from robustbench_seg.classes import NYU13, NYU40, align
from robustbench_seg.data.normals import normals_from_depth
from robustbench_seg.data.nyu.dataset import open_nyuv2
from robustbench_seg.data.nyu.labels import FROM_LABELS
from robustbench_seg.errors import InputError, UsageError
from robustbench_seg.evaluation.spec import DataSpec

HEIGHT, WIDTH = 5, 8
# Label, its name in nyu_depth_v2_labeled.mat, and its class in the table of Gupta et al.
NAMED = {
    21: "wall",
    11: "floor",
    3: "cabinet",
    157: "bed",
    5: "chair",
    83: "sofa",
    19: "table",
    28: "door",
    59: "window",
    88: "bookshelf",
    4: "ceiling",
    172: "television",
    331: "person",
    158: "night stand",
    144: "lamp",
    85: "books",
    1: "other prop",
}


def fails(root, path, *parts, use=list, **options):
    with pytest.raises(InputError) as caught:
        use(open_nyuv2(root, **options))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}:")
    for part in parts:
        assert part in message


def frames(count):
    """Images, depths and labels as (N,H,W,...): every value differs along every axis."""
    at = np.indices((count, HEIGHT, WIDTH)).astype(np.float64)
    base = at[0] * 100 + at[1] * 10 + at[2]
    images = np.stack([base % 256, (base + 3) % 256, (base + 7) % 256], -1).astype(np.uint8)
    return images, (1 + base / 100).astype(np.float32), (base % 895).astype(np.uint16)


@pytest.fixture
def published(tmp_path):
    """The two files of the data set's page, with MATLAB's order of axes and its references to text."""
    h5py = pytest.importorskip("h5py")
    images, depths, labels = frames(4)
    with h5py.File(tmp_path / "nyu_depth_v2_labeled.mat", "w") as file:
        file["images"] = images.transpose(0, 3, 2, 1)
        file["depths"] = depths.transpose(0, 2, 1)
        file["rawDepths"] = 0 * depths.transpose(0, 2, 1)
        file["labels"] = labels.transpose(0, 2, 1)
        for number, scene in enumerate(("kitchen_0004", "office_0001", "office_0001", "bedroom_0051")):
            file[f"#refs#/{number}"] = np.array([[ord(character)] for character in scene], np.uint16)
        file["scenes"] = np.array([[file[f"#refs#/{number}"].ref for number in range(4)]], h5py.ref_dtype)
    savemat(tmp_path / "splits.mat", {"trainNdxs": np.array([[1]], np.uint16), "testNdxs": np.array([[2], [3], [4]])})
    return tmp_path


@pytest.fixture
def extracted(tmp_path, save):
    """The folders that nyuv2-python-toolkit writes."""
    images, depths, labels = frames(2)
    ids = FROM_LABELS[labels]
    for split, number in (("train", 1), ("test", 2)):
        name = f"{number:05d}.png"
        save(tmp_path / "image" / split / name, images[number - 1])
        save(tmp_path / "seg40" / split / name, ids[number - 1])
        save(tmp_path / "seg13" / split / name, np.full((HEIGHT, WIDTH), 12))
        save(tmp_path / "depth" / split / name, depths[number - 1] * 1e3, np.uint16)
        (tmp_path / "normal" / split).mkdir(parents=True)
        np.save(tmp_path / "normal" / split / f"{number:04d}.npy", np.zeros((3, HEIGHT, WIDTH)))
    return tmp_path


@pytest.fixture
def multi_task(tmp_path, save):
    """NYUD_MT as ATRC passes it on."""
    root = tmp_path / "NYUD_MT"
    images, depths, _ = frames(3)
    for number, name in enumerate(("0001", "0002", "0003")):
        save(root / "images" / f"{name}.jpg", images[number])
        save(root / "segmentation" / f"{name}.png", np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) + 1)
        save(root / "edge" / f"{name}.png", np.zeros((HEIGHT, WIDTH)))
        (root / "depth").mkdir(exist_ok=True)
        np.save(root / "depth" / f"{name}.npy", depths[number])
    (root / "gt_sets").mkdir()
    (root / "gt_sets" / "train.txt").write_text("0002\n")
    (root / "gt_sets" / "val.txt").write_text("0001\n0003\n")
    return tmp_path


def test_every_label_has_a_class():
    assert FROM_LABELS.shape == (895,)
    assert FROM_LABELS[0] == 255
    # Of the 894 labels, 37 are a class of their own.
    counts = np.bincount(FROM_LABELS[1:], minlength=40)
    assert counts.tolist() == [1] * 37 + [68, 82, 707]
    assert {label: NYU40.names[FROM_LABELS[label]] for label in NAMED} == NAMED


def test_thirteen_classes_of_the_forty():
    merged = align(NYU13, NYU40).label_map[:40]
    # SceneNet's class13Mapping.mat, which counts from 1.
    published = [
        12,
        5,
        6,
        1,
        4,
        9,
        10,
        12,
        13,
        6,
        8,
        6,
        13,
        10,
        6,
        13,
        6,
        7,
        7,
        5,
        7,
        3,
        2,
        6,
        11,
        *[7] * 6,
        6,
        *[7] * 6,
    ]
    assert (merged + 1).tolist() == [*published, 6, 7]


def test_as_published(published):
    data = open_nyuv2(published)
    assert (data.name, data.tasks, data.classes) == ("nyuv2", ("semantic", "depth", "normals"), NYU40)
    assert list(data.ids) == ["00002", "00003", "00004"]
    assert list(data.groups) == ["office_0001", "office_0001", "bedroom_0051"]
    images, depths, labels = frames(4)
    sample = data[1]
    np.testing.assert_array_equal(sample.image, images[2])
    np.testing.assert_array_equal(sample.labels["depth"], depths[2])
    np.testing.assert_array_equal(sample.labels["semantic"], FROM_LABELS[labels[2]])
    np.testing.assert_array_equal(sample.labels["normals"], normals_from_depth(depths[2], sample.camera["intrinsics"]))
    assert list(open_nyuv2(published, "train").ids) == ["00001"]


def test_camera_of_the_toolbox(published):
    # camera_params.m and rgb_plane2rgb_world.m: x = (column - cx) depth / fx with columns counted from 1.
    intrinsics = open_nyuv2(published)[0].camera["intrinsics"]
    column, depth = 100, 2.0
    x = (column + 1 - 325.58244941119034) * depth / 518.85790117450188
    y = (column + 1 - 253.73616633400465) * depth / 519.46961112127485
    np.testing.assert_allclose(intrinsics @ [x, y, depth] / depth, [column, column, 1], rtol=1e-5)


def test_published_and_pickled(published):
    data = pickle.loads(pickle.dumps(DataSpec.parse(f"nyuv2:{published}").load()))
    assert data[0].labels["depth"].shape == (HEIGHT, WIDTH)
    assert data.fingerprint() == open_nyuv2(published).fingerprint()
    assert data.fingerprint() != open_nyuv2(published, "train").fingerprint()


def test_a_label_beyond_the_last(published):
    h5py = pytest.importorskip("h5py")
    with h5py.File(published / "nyu_depth_v2_labeled.mat", "a") as file:
        file["labels"][1, 0, 0] = 895
    fails(published, published / "nyu_depth_v2_labeled.mat", "holds the label 895 in frame 2")


@pytest.mark.parametrize("key", ["scenes", "images", "depths"])
def test_a_part_that_is_missing(published, key):
    h5py = pytest.importorskip("h5py")
    with h5py.File(published / "nyu_depth_v2_labeled.mat", "a") as file:
        del file[key]
    fails(published, published / "nyu_depth_v2_labeled.mat", "cannot be read", key)


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file"])
def test_a_broken_file(published, content):
    (published / "nyu_depth_v2_labeled.mat").write_bytes(content)
    fails(published, published / "nyu_depth_v2_labeled.mat", "cannot be read", "download it again")


def test_no_list_of_splits(published):
    (published / "splits.mat").unlink()
    fails(published, published / "splits.mat", "is missing; download splits.mat beside nyu_depth_v2_labeled.mat")
    (published / "splits.mat").write_text("test")
    fails(published, published / "splits.mat", "cannot be read as the list of splits")


def test_val_is_the_test_split(extracted):
    data = open_nyuv2(extracted, "val")
    assert (data.split, data.splits, list(data.ids)) == ("test", ("train", "test"), ["00002"])


@pytest.mark.parametrize("number", [0, 5])
def test_splits_of_other_frames(published, number):
    savemat(published / "splits.mat", {"testNdxs": [[2], [number]]})
    fails(published, published / "splits.mat", f"lists frame {number}, nyu_depth_v2_labeled.mat has 4")


def test_h5py_is_an_extra(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(f"No module named '{name}'")

    (tmp_path / "nyu_depth_v2_labeled.mat").write_bytes(b"")
    savemat(tmp_path / "splits.mat", {"testNdxs": [[1]]})
    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(UsageError, match=r"h5py is needed .*pip install 'robustbench-seg\[nyuv2\]'$"):
        open_nyuv2(tmp_path)


def test_extracted(extracted):
    data = open_nyuv2(extracted)
    assert (data.name, data.tasks, data.classes) == ("nyuv2", ("semantic", "depth", "normals"), NYU40)
    assert list(data.ids) == list(data.groups) == ["00002"]
    images, depths, labels = frames(2)
    np.testing.assert_array_equal(data[0].image, images[1])
    np.testing.assert_array_equal(data[0].labels["semantic"], FROM_LABELS[labels[1]])
    np.testing.assert_allclose(data[0].labels["depth"], depths[1], atol=1e-3)
    assert list(open_nyuv2(extracted, "train").ids) == ["00001"]


def test_extracted_thirteen_classes(extracted):
    (extracted / "seg40").rename(extracted / "other")
    data = open_nyuv2(extracted)
    assert data.classes == NYU13
    assert set(data[0].labels["semantic"].ravel()) == {NYU13.names.index("window")}


def test_extracted_without_depth(extracted):
    (extracted / "depth").rename(extracted / "other")
    assert open_nyuv2(extracted).tasks == ("semantic",)


def test_extracted_without_labels(extracted):
    for kind in ("seg40", "seg13"):
        (extracted / kind).rename(extracted / f"other-{kind}")
    fails(extracted, extracted / "seg40" / "test", "is missing", "extract_nyuv2.py")


def test_multi_task(multi_task):
    data = open_nyuv2(multi_task)
    assert (data.tasks, data.classes) == (("semantic", "depth"), NYU40)
    assert list(data.ids) == ["0001", "0003"]
    assert data[0].labels["semantic"].ravel().tolist() == list(range(40))
    np.testing.assert_array_equal(data[1].labels["depth"], frames(3)[1][2])
    assert list(open_nyuv2(multi_task / "NYUD_MT", "train").ids) == ["0002"]


def test_multi_task_unlabelled(multi_task, save):
    save(multi_task / "NYUD_MT" / "segmentation" / "0001.png", np.zeros((HEIGHT, WIDTH)))
    assert (open_nyuv2(multi_task)[0].labels["semantic"] == 255).all()


def test_multi_task_of_matlab(multi_task):
    folder = multi_task / "NYUD_MT" / "segmentation"
    for path in sorted(folder.iterdir()):
        path.rename(path.with_suffix(".mat"))
    fails(multi_task, folder, "holds no *.png")


def test_multi_task_image_that_is_missing(multi_task):
    (multi_task / "NYUD_MT" / "images" / "0003.jpg").unlink()
    fails(multi_task, multi_task / "NYUD_MT" / "gt_sets" / "val.txt", "lists '0003', which has no image")


@pytest.fixture
def arrays(tmp_path):
    """MTAN's arrays; numbers are not padded."""
    images, depths, labels = frames(11)
    for split, numbers in (("train", range(2)), ("val", range(11))):
        for number in numbers:
            contents = {
                "image": images[number] / np.float32(255),
                "label": (labels[number] % 14).astype(np.float32) - 1,
                "depth": depths[number][..., None],
                "normal": np.zeros((HEIGHT, WIDTH, 3)),
            }
            for kind, values in contents.items():
                (tmp_path / split / kind).mkdir(parents=True, exist_ok=True)
                np.save(tmp_path / split / kind / f"{number}.npy", values)
    return tmp_path


def test_arrays(arrays):
    data = open_nyuv2(arrays)
    assert (data.name, data.tasks, data.classes) == ("nyuv2", ("semantic", "depth", "normals"), NYU13)
    assert list(data.ids) == [f"{number:05d}" for number in range(11)]
    assert len(open_nyuv2(arrays, "train")) == 2
    images, depths, labels = frames(11)
    sample = data[10]
    np.testing.assert_array_equal(sample.image, images[10])
    np.testing.assert_array_equal(sample.labels["depth"], depths[10])
    expected = labels[10] % 14
    np.testing.assert_array_equal(sample.labels["semantic"], np.where(expected == 0, 255, expected.astype(int) - 1))


@pytest.mark.parametrize(
    ("kind", "values", "part"),
    [
        ("image", np.full((HEIGHT, WIDTH, 3), 2.0), "has values from 2.0 to 2.0, not 0 to 1"),
        ("image", np.full((HEIGHT, WIDTH, 3), np.nan), "not 0 to 1"),
        ("image", np.zeros((3, HEIGHT, WIDTH)), "not (H,W,3)"),
        ("label", np.full((HEIGHT, WIDTH), 13), "ids such as 13"),
        ("label", np.full((HEIGHT, WIDTH), 0.5), "ids such as 0.5"),
        ("label", np.zeros((HEIGHT, WIDTH, 1)), "not (H,W)"),
        ("depth", np.ones((HEIGHT, WIDTH)), "not (H,W,1)"),
        ("depth", np.full((HEIGHT, WIDTH, 1), "far"), "not numbers"),
    ],
)
def test_bad_arrays(arrays, kind, values, part):
    np.save(arrays / "val" / kind / "3.npy", values)
    fails(arrays, arrays / "val" / kind / "3.npy", part)


def test_nothing_known(tmp_path):
    fails(tmp_path, tmp_path, "holds neither nyu_depth_v2_labeled.mat nor image/, NYUD_MT/ or val/image/", "splits.mat")


def test_unknown_split(tmp_path):
    with pytest.raises(UsageError, match="split 'vall'"):
        open_nyuv2(tmp_path, "vall")
