import pickle
import shutil

import numpy as np
import pytest
from PIL import Image

from robustbench_seg.classes import CAMVID11, align
from robustbench_seg.data.folder import Folder
from robustbench_seg.errors import InputError

IMAGE = np.full((4, 6, 3), 90, np.uint8)
IDS = np.array([[0, 1, 2, 0, 1, 255]] * 4)
CONFIG = 'classes = ["road", "sky", "car"]\n'


@pytest.fixture
def make(tmp_path, save):
    """A valid folder of images `b` and `a` with labels; text is added to its dataset.toml."""

    def build(extra: str = "", config: str = CONFIG, names: tuple[str, ...] = ("b", "a"), at: str = ""):
        root = tmp_path / "farm"
        for name in names:
            save(root / at / "images" / f"{name}.jpg", IMAGE)
            save(root / at / "labels" / f"{name}.png", IDS)
        (root / "dataset.toml").write_text(config + extra, encoding="utf-8")
        return root

    return build


def test_ids_and_samples(make):
    data = Folder(make())
    assert (data.name, data.tasks, list(data.ids), list(data.groups)) == ("farm", ("semantic",), ["a", "b"], ["a", "b"])
    assert data.classes.names == ("road", "sky", "car")
    assert len(data) == 2
    sample = data[1]
    assert sample.id == "b"
    assert sample.image.shape == (4, 6, 3)
    assert sample.labels["semantic"].dtype == np.uint8
    np.testing.assert_array_equal(sample.labels["semantic"], IDS)
    assert [one.id for one in data] == ["a", "b"]


def test_name_is_declared(make):
    data = Folder(make('name = "meadow"'))
    assert data.name == data.classes.name == "meadow"


def test_built_in_classes_and_maps(make):
    data = Folder(make(config='classes = "camvid11"\n[maps.other]\nstreet = "road"\n'))
    assert data.classes == CAMVID11
    assert data.classes.maps["other"] == {"street": "road"}
    assert align(CAMVID11, data.classes).keeps(11)


def test_raw_ids(make):
    data = Folder(make('[ids]\n0 = "car"\n2 = "road"'))
    assert data[0].labels["semantic"][0].tolist() == [2, 255, 0, 2, 255, 255]


def test_void_ids(make, save):
    root = make("void = [9]")
    save(root / "labels" / "a.png", np.where(IDS == 1, 9, IDS))
    assert Folder(root)[0].labels["semantic"][0].tolist() == [0, 255, 2, 0, 255, 255]


def test_colour_labels(make, save):
    root = make("palette = [[1, 0, 0], [2, 0, 0], [3, 0, 0]]\nvoid = [[0, 0, 0]]")
    colours = np.zeros((4, 6, 3), np.uint8)
    colours[..., 0] = [0, 1, 2, 3, 3, 3]
    for name in "ab":
        save(root / "labels" / f"{name}.png", colours)
    data = Folder(root)
    assert data[0].labels["semantic"][0].tolist() == [255, 0, 1, 2, 2, 2]
    assert data.classes.palette == ((1, 0, 0), (2, 0, 0), (3, 0, 0))


def test_depth_beside_labels(make, save):
    root = make("depth_unit = 0.5")
    for name in "ab":
        save(root / "depth" / f"{name}.png", np.full((4, 6), 8), np.uint16)
    data = Folder(root)
    assert data.tasks == ("semantic", "depth")
    np.testing.assert_array_equal(data[0].labels["depth"], np.full((4, 6), 4, np.float32))


def test_depth_alone_needs_no_classes(make):
    root = make(config="")
    shutil.rmtree(root / "labels")
    (root / "depth").mkdir()
    for name in "ab":
        np.save(root / "depth" / f"{name}.npy", np.ones((4, 6), np.float32))
    data = Folder(root)
    assert (data.tasks, len(data.classes)) == (("depth",), 0)
    assert data[0].labels["depth"].sum() == 24


def test_labels_of_several_outputs(make, save):
    lanes = '[labels.lanes]\nclasses = ["none", "line"]\nids = {9 = "line"}\n'
    root = make('[labels.drivable]\nclasses = ["no", "yes"]\n' + lanes)
    for label, value in (("drivable", 1), ("lanes", 9)):
        for name in "ab":
            save(root / label / f"{name}.png", np.full((4, 6), value))
    data = Folder(root)
    assert data.tasks == ("semantic", "semantic[drivable]", "semantic[lanes]")
    assert {task: data.class_set(task).names for task in data.tasks} == {
        "semantic": ("road", "sky", "car"),
        "semantic[drivable]": ("no", "yes"),
        "semantic[lanes]": ("none", "line"),
    }
    assert all((data[0].labels[task] == 1).all() for task in data.tasks[1:])
    assert [data.labels_for(task) for task in ("semantic[lanes]", "semantic[sky]", "depth")] == [
        "semantic[lanes]",
        "semantic",
        None,
    ]
    (root / "lanes" / "b.png").unlink()
    with pytest.raises(InputError, match=r"b\.jpg: has no lanes labels of its name"):
        Folder(root)


def test_labels_of_several_outputs_alone(make, save):
    root = make(config='[labels.lanes]\nclasses = ["none", "line"]')
    shutil.rmtree(root / "labels")
    for name in "ab":
        save(root / "lanes" / f"{name}.png", np.ones((4, 6)))
    assert Folder(root).tasks == ("semantic[lanes]",)


@pytest.mark.parametrize("name", ["depth", "images", "'../up'", "'a b'"])
def test_a_label_without_a_folder_of_its_own(make, name):
    with pytest.raises(InputError, match="give a name of letters"):
        Folder(make(f'[labels.{name}]\nclasses = ["none", "line"]'))


def test_clips(make):
    data = Folder(make('group = "folder"', names=("two/a", "one/b", "one/a")))
    assert list(data.ids) == ["one/a", "one/b", "two/a"]
    assert list(data.groups) == ["one", "one", "two"]
    assert data[2].image.shape == (4, 6, 3)


def test_splits(make):
    root = make(at="train", names=("a",))
    make(at="val", names=("c", "d"))
    assert list(Folder(root, "train").ids) == ["a"]
    assert list(Folder(root, "val").ids) == ["c", "d"]


def test_without_split_folders_val_is_the_whole(make):
    root = make()
    assert list(Folder(root, "val").ids) == ["a", "b"]
    _one_line_error(root, "has no splits, 'nonsense' was asked for", root, "nonsense")


def test_hidden_and_other_files_are_left_out(make):
    root = make()
    for name in (".DS_Store", "._a.jpg", "Thumbs.db", "notes.txt"):
        (root / "images" / name).write_bytes(b"x")
    assert len(Folder(root)) == 2


def test_fingerprint_is_of_names_contents_and_declaration(make, save, tmp_path):
    root = make()
    first = Folder(root).fingerprint()
    assert first == Folder(root).fingerprint()
    moved = root.rename(tmp_path / "elsewhere")
    assert Folder(moved).fingerprint() == first
    (moved / "images" / "notes.txt").write_text("not part of it")
    assert Folder(moved).fingerprint() == first
    seen = {first}
    save(moved / "labels" / "a.png", IDS.T.reshape(4, 6))
    seen.add(Folder(moved).fingerprint())
    (moved / "dataset.toml").write_text(CONFIG + "void = [9]")
    seen.add(Folder(moved).fingerprint())
    for kind in ("images/a.jpg", "labels/a.png"):
        (moved / kind).rename((moved / kind).with_stem("z"))
    seen.add(Folder(moved).fingerprint())
    assert len(seen) == 4


def test_fingerprint_is_computed_once(make):
    data = Folder(make())
    first = data.fingerprint()
    shutil.rmtree(data._root)
    assert data.fingerprint() == first


def test_fingerprint_of_a_file_that_vanished(make):
    root = make()
    data = Folder(root)
    (root / "labels" / "a.png").unlink()
    with pytest.raises(InputError, match=r"labels/a\.png: cannot be read"):
        data.fingerprint()


def test_pickled_for_a_worker(make):
    data = pickle.loads(pickle.dumps(Folder(make('[ids]\n0 = "car"'))))
    assert data[0].labels["semantic"][0, 0] == 2


def test_index_out_of_range(make):
    with pytest.raises(IndexError):
        Folder(make())[2]


BAD_CONFIGS = [
    ("", "void = 255", "void: must be a list, not 255"),
    ("", 'void = ["sky"]', "'sky'"),
    ("", "void = [65536]", "65536"),
    ("", "void = [-2]", "-2"),
    ("", "void = [[0, 0, 0]]", "[0, 0, 0]"),
    ("", "void = [true]", "True"),
    ("", 'group = "clip"', "'clip'"),
    ("", "depth_unit = 0", "above 0, not 0"),
    ("", "depth_unit = -0.01", "-0.01"),
    ("", "depth_unit = nan", "nan"),
    ("", "depth_unit = inf", "inf"),
    ("", 'depth_unit = "cm"', "'cm'"),
    ("", "depth_unit = true", "True"),
    ("", "name = 3", "name: must be str, not 3"),
    ("", "depth_units = 1", "'depth_units'; did you mean depth_unit"),
    ("", "ids = [3]", "ids: must be a table, not [3]"),
    ("", "[ids]", "[ids] is empty"),
    ("", '[ids]\nroad = "road"', "'road'"),
    ("", '[ids]\n65536 = "road"', "'65536'"),
    ("", '[ids]\n07 = "road"', "'07'"),
    ("", 'ids = "labelids"', "ids: must be a table, not 'labelids'"),
    ("", 'ids = "labelIds"', "is for the classes cityscapes19"),
    ("void = [-1]\n", '[ids]\n65535 = "road"', "void holds -1"),
    ("", 'suffix = {label = "_x"}', "'label'; did you mean labels"),
    ("", 'splits = "../lists"', "within the root"),
    ("", 'splits = "/lists"', "within the root"),
    ("", "orientation = 6", "one of apply, ignore, not 6"),
    ("", '[ids]\n3 = "raod"', "'raod'; did you mean road"),
    ("", '[ids]\n3 = ["road"]', "['road']"),
    ("void = [3]\n", '[ids]\n3 = "road"', "void holds 3"),
    ("palette = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]\n", '[ids]\n3 = "road"', "both palette and [ids]"),
    ("palette = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]\n", "void = [255]", "255"),
    ("palette = [[0, 0, 0], [1, 1, 1], [2, 2, 2]]\n", "void = [[1, 1, 1]]", "[1, 1, 1]"),
    ("palette = [[0, 0, 0]]\n", "", "1 colours for 3 classes"),
    ("void = [\n", "", "not valid TOML"),
]


@pytest.mark.parametrize(("before", "extra", "part"), BAD_CONFIGS)
def test_bad_declarations(make, before, extra, part):
    root = make(before + extra)
    _one_line_error(root, part, root / "dataset.toml")


def _one_line_error(root, part, path, split=None, read=False):
    use = list if read else len
    with pytest.raises(InputError) as caught:
        use(Folder(root, split))
    message = str(caught.value)
    assert part in message
    assert str(path) in message
    assert "\n" not in message


def remove(name):
    return lambda root, save: (root / name).unlink()


def add_label(name, values, dtype=np.uint8):
    return lambda root, save: save(root / "labels" / name, values, dtype)


def write(name, data=b"x"):
    def change(root, save):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return change


def drop(name):
    return lambda root, save: shutil.rmtree(root / name)


def hollow(name):
    def change(root, save):
        shutil.rmtree(root / name)
        (root / name).mkdir()

    return change


BAD_TREES = {
    "no dataset.toml": (remove("dataset.toml"), "is missing", "dataset.toml"),
    "no classes": (write("dataset.toml", b""), "has no classes", "dataset.toml"),
    "no images": (drop("images"), "No such file", "images"),
    "no labels": (drop("labels"), "neither labels/ nor depth/", ""),
    "empty images": (hollow("images"), "holds no files", "images"),
    "empty labels": (hollow("labels"), "holds no files", "labels"),
    "missing label": (remove("labels/a.png"), "has no semantic labels", "images/a.jpg"),
    "label without image": (remove("images/a.jpg"), "has no image", "labels/a.png"),
    "two images of a name": (write("images/a.png"), "a.jpg", "images/a.png"),
    "two labels of a name": (write("labels/a.bmp"), "a.bmp; keep one", "labels/a.png"),
    "a folder among images": (write("images/clip/x.jpg"), "is a folder", "images/clip"),
    "depth without unit": (write("depth/a.png"), "depth_unit", "dataset.toml"),
}


@pytest.mark.parametrize("case", BAD_TREES)
def test_bad_trees_fail_at_construction(make, save, case):
    change, part, where = BAD_TREES[case]
    root = make()
    change(root, save)
    _one_line_error(root, part, root / where)


BAD_CONTENTS = {
    "label of another size": (add_label("a.png", IDS.T), "4x6, its image", "labels/a.png"),
    "undeclared id": (add_label("a.png", IDS * 0 + 3), "ids 3 ", "labels/a.png"),
    "id above 255": (add_label("a.png", IDS * 0 + 7000, np.uint16), "7000", "labels/a.png"),
    "colour label": (add_label("a.png", IMAGE), "RGB pixels", "labels/a.png"),
    "broken label": (write("labels/a.png"), "is not an image", "labels/a.png"),
    "empty image": (write("images/b.jpg", b""), "0 bytes", "images/b.jpg"),
}


@pytest.mark.parametrize("case", BAD_CONTENTS)
def test_bad_contents_fail_when_read(make, save, case):
    change, part, where = BAD_CONTENTS[case]
    root = make()
    change(root, save)
    assert len(Folder(root)) == 2
    _one_line_error(root, part, root / where, read=True)


def test_lossy_labels(make, save):
    root = make()
    (root / "labels" / "a.png").unlink()
    save(root / "labels" / "a.jpg", IDS)
    _one_line_error(root, "JPEG", root / "labels" / "a.jpg", read=True)


def test_depth_of_another_size(make, save):
    root = make("depth_unit = 1")
    for name in "ab":
        save(root / "depth" / f"{name}.png", np.ones((5, 6)), np.uint16)
    _one_line_error(root, "6x5", root / "depth" / "a.png", read=True)


def test_root_is_missing(tmp_path):
    _one_line_error(tmp_path / "absent", "is no folder", tmp_path / "absent")


def test_image_outside_the_clips(make, save):
    root = make('group = "folder"', names=("one/a",))
    save(root / "images" / "loose.jpg", IMAGE)
    _one_line_error(root, "is in no clip", root / "images" / "loose.jpg")


def test_clips_nested_too_deep(make):
    root = make('group = "folder"', names=("one/a", "one/deep/b"))
    _one_line_error(root, "one level", root / "labels" / "one" / "deep")


@pytest.mark.parametrize(
    ("split", "part"), [("vall", "'vall'; did you mean val"), (None, "choose one of a, b with --split")]
)
def test_split_that_is_not_there(make, split, part):
    root = make(at="a")
    make(at="b")
    if split:
        make(at="val")
    _one_line_error(root, part, root, split)


@pytest.mark.parametrize(("folders", "split"), [(("train", "val", "test"), "val"), (("valid",), "valid")])
def test_split_without_a_choice(make, folders, split):
    for name in folders:
        root = make(at=name)
    data = Folder(root)
    assert (data.split, data.splits) == (split, tuple(sorted(folders)))


def test_splits_within_the_folders(make, save):
    """images/SPLIT/NAME, the habit of detectors, and Cityscapes' images/SPLIT/CITY/NAME."""
    root = make(names=("train/a", "val/b", "val/c"))
    assert list(Folder(root).ids) == ["b", "c"]
    assert list(Folder(root, "train").ids) == ["a"]
    _one_line_error(root, "'vall'; did you mean val", root, "vall")
    shutil.rmtree(root / "labels" / "val")
    _one_line_error(root, "has neither", root)


def test_clips_that_may_be_splits(make):
    root = make(names=("one/a", "two/b"))
    _one_line_error(root, 'or say group = "folder"', root)


def test_splits_of_clips_within_the_folders(make):
    root = make('group = "folder"', names=("train/ulm/a", "val/bonn/b", "val/jena/c"))
    data = Folder(root)
    assert (data.split, list(data.ids), list(data.groups)) == ("val", ["bonn/b", "jena/c"], ["bonn", "jena"])


def test_suffixes(make, save):
    """Cityscapes' habit: names share what comes before a suffix, and other files lie beside the labels."""
    root = make('suffix = {images = "_leftImg8bit.png", labels = "_gtFine_labelIds"}')
    for folder in ("images", "labels"):
        shutil.rmtree(root / folder)
    save(root / "images" / "ulm_1_leftImg8bit.png", IMAGE)
    save(root / "labels" / "ulm_1_gtFine_labelIds.png", IDS)
    save(root / "labels" / "ulm_1_gtFine_color.png", IMAGE)
    data = Folder(root)
    assert list(data.ids) == ["ulm_1"]
    np.testing.assert_array_equal(data[0].labels["semantic"], IDS)
    (root / "labels" / "ulm_1_gtFine_labelIds.png").unlink()
    _one_line_error(root, "does not end in _gtFine_labelIds", root / "labels" / "ulm_1_gtFine_color.png")


def test_suffixes_in_clips(make, save):
    root = make('group = "folder"\nsuffix.labels = "_L"', names=("one/a",))
    (root / "labels" / "one" / "a.png").rename(root / "labels" / "one" / "a_L.png")
    assert list(Folder(root).ids) == ["one/a"]


@pytest.fixture
def listed(make):
    """A folder of images `a`, `b` and `c` in VOC's habit: one folder of images, lists of the splits, no label for c."""
    root = make('splits = "ImageSets/Segmentation"', names=("a", "b", "c"))
    (root / "labels" / "c.png").unlink()
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_bytes(b"\xef\xbb\xbfb\r\n")
    (lists / "val.txt").write_text("b\na \n\na\n")
    return root


def test_lists(listed):
    data = Folder(listed)
    assert (data.split, data.splits, list(data.ids)) == ("val", ("train", "val"), ["a", "b"])
    assert list(Folder(listed, "train").ids) == ["b"]
    first = data.fingerprint()
    (listed / "ImageSets" / "Segmentation" / "val.txt").write_text("a\nb\n")
    assert Folder(listed).fingerprint() != first


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a\nz\ny", "lists 'z', which has no image (nor have 1 others)"),
        ("a.jpg", "lists 'a.jpg'"),
        ("", "lists nothing"),
        ("\n \n", "lists nothing"),
    ],
)
def test_bad_lists(listed, text, part):
    path = listed / "ImageSets" / "Segmentation" / "val.txt"
    path.write_text(text)
    _one_line_error(listed, part, path)


def test_lists_that_are_not_there(listed):
    lists = listed / "ImageSets" / "Segmentation"
    _one_line_error(listed, "'vall'", listed, "vall")
    (lists / "val.txt").write_text("c")
    _one_line_error(listed, "has no semantic labels", listed / "images" / "c.jpg")
    (lists / "val.txt").write_bytes(b"\xff")
    _one_line_error(listed, "not text", lists / "val.txt")
    for name in ("train.txt", "val.txt"):
        (lists / name).unlink()
    _one_line_error(listed, "holds no list", lists)
    lists.rmdir()
    _one_line_error(listed, "cannot be listed", lists)


@pytest.mark.parametrize(
    ("void", "held", "dtype"), [(65535, 65535, np.uint16), (-1, 65535, np.uint16), (-1, 255, np.uint8)]
)
def test_void_beyond_eight_bits(make, save, void, held, dtype):
    root = make(f"void = [{void}]")
    for name in "ab":
        save(root / "labels" / f"{name}.png", np.where(IDS == 255, held, IDS), dtype)
    np.testing.assert_array_equal(Folder(root)[0].labels["semantic"], IDS)


def test_classes_beyond_eight_bits(make, save):
    root = make('[ids]\n26000 = "car"')
    save(root / "labels" / "a.png", np.where(IDS == 0, 26000, 1000), np.uint16)
    assert Folder(root)[0].labels["semantic"][0].tolist() == [2, 255, 255, 2, 255, 255]


LABEL_IDS = np.array([[7, 26, 23, 0, 33, 255]] * 4)


def test_label_ids_of_cityscapes(make, save):
    root = make('ids = "labelIds"', config='classes = "cityscapes19"\n')
    save(root / "labels" / "a.png", LABEL_IDS)
    assert Folder(root)[0].labels["semantic"][0].tolist() == [0, 13, 10, 255, 18, 255]


@pytest.mark.parametrize(
    ("ids", "seems"),
    [
        (LABEL_IDS, True),
        (LABEL_IDS * 0 + 19, False),  # void in many a data set
        (LABEL_IDS * 0 + 34, False),
        (LABEL_IDS + 1000, False),
    ],
)
def test_label_ids_where_train_ids_belong_are_noticed(make, save, ids, seems):
    root = make(config='classes = "cityscapes19"\n')
    save(root / "labels" / "a.png", ids, np.uint16)
    with pytest.raises(InputError) as caught:
        Folder(root)[0]
    assert ('write ids = "labelIds"' in str(caught.value)) is seems
    save(root / "labels" / "a.png", np.array([[0, 7, 8, 11, 18, 255]] * 4))
    assert Folder(root)[0].labels["semantic"].max() == 255


SQUARE = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


@pytest.mark.parametrize(
    ("declared", "expected"), [('orientation = "apply"', np.rot90(SQUARE, -1)), ('orientation = "ignore"', SQUARE)]
)
def test_exif_orientation(make, save, declared, expected):
    """6 is turned by a quarter clockwise for viewing; that of a square image leaves no trace in its size."""
    exif = Image.Exif()
    exif[0x0112] = 6
    root = make(declared, names=("a",))
    (root / "images" / "a.jpg").unlink()
    save(root / "images" / "a.png", SQUARE, exif=exif)
    save(root / "labels" / "a.png", SQUARE[..., 0] % 3)
    (root / "dataset.toml").write_text(CONFIG + declared)
    np.testing.assert_array_equal(Folder(root)[0].image, expected)
    (root / "dataset.toml").write_text(CONFIG)
    _one_line_error(root, "EXIF orientation 6", root / "images" / "a.png", read=True)
    exif[0x0112] = 1
    save(root / "images" / "a.png", SQUARE, exif=exif)
    np.testing.assert_array_equal(Folder(root)[0].image, SQUARE)


def test_unicode_in_another_form(make):
    """A label copied from a file system that writes é as two characters still belongs to its image."""
    root = make(names=("caf\u00e9",))
    (root / "labels" / "caf\u00e9.png").rename(root / "labels" / "cafe\u0301.png")
    assert list(Folder(root).ids) == ["caf\u00e9"]
