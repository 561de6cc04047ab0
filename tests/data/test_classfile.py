import pytest

from robustbench_seg.classes import CAMVID11, CITYSCAPES19, align, default_palette
from robustbench_seg.data.classfile import load_classes
from robustbench_seg.errors import InputError, UsageError


@pytest.fixture
def written(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.mark.parametrize("classes", [CAMVID11, CITYSCAPES19])
def test_built_in(classes):
    assert load_classes(classes.name) is classes


@pytest.mark.parametrize(
    ("spec", "hint"), [("cityscapes91", "did you mean cityscapes19"), ("zzz", "camvid11"), ("", "toml")]
)
def test_unknown_name(spec, hint):
    with pytest.raises(UsageError) as caught:
        load_classes(spec)
    assert f"'{spec}'" in str(caught.value)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file(written):
    classes = load_classes(
        written(
            'name = "farm"\nclasses = ["field", "Person"]\n[maps.cityscapes19]\nterrain = "field"\nrider = "pedestrian"'
        )
    )
    assert (classes.name, classes.names) == ("farm", ("field", "Person"))
    assert classes.palette == default_palette(2)
    assert classes.maps == {"cityscapes19": {"terrain": "field", "rider": "Person"}}


def test_a_map_of_all_others(written):
    classes = load_classes(written('classes = ["rest", "person"]\n[maps.cityscapes19]\nrider = "person"\n"*" = "rest"'))
    alignment = align(classes, CITYSCAPES19)
    rider = CITYSCAPES19.find("rider")
    assert [int(alignment.label_map[i]) for i in range(19)] == [int(i == rider) for i in range(19)]
    assert alignment.label_map[255] == 255
    assert alignment.missing == ()


def test_name_is_the_file_s_unless_given(written):
    assert load_classes(written('classes = ["a"]')).name == "mine"


def test_declared_palette(written):
    assert load_classes(written('classes = ["a", "b"]\npalette = [[1, 2, 3], [4, 5, 6]]')).palette == (
        (1, 2, 3),
        (4, 5, 6),
    )


def test_built_in_set_with_own_map_keeps_its_declared_ones(written):
    classes = load_classes(written('classes = "camvid11"\n[maps.other]\nstreet = "road"'))
    assert classes == CAMVID11
    assert classes.maps == {**CAMVID11.maps, "other": {"street": "road"}}


def test_default_palette_is_distinct_and_never_black():
    palette = default_palette(255)
    assert len({*palette, (0, 0, 0)}) == 256
    assert palette[:3] == ((128, 0, 0), (0, 128, 0), (128, 128, 0))


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "has no classes"),
        ("classes = [", "not valid TOML"),
        ("classes = 1" + "0" * 5000, "not valid TOML"),
        ("classes = 3", "classes: must be a list, not 3"),
        ("classes = []", "has no classes"),
        ('classes = "camvid12"', "did you mean camvid11"),
        ('classes = ["a", 2]', "classes[1]: must be str, not 2"),
        ('classes = ["a", " "]', "without a name"),
        ('classes = ["a", "A"]', "'A' twice"),
        (f"classes = {[f'c{i}' for i in range(256)]}", "256 classes"),
        ('classes = ["a"]\nname = "camvid11"', "'camvid11'"),
        ('classes = ["a"]\npallete = []', "'pallete'; did you mean palette?"),
        ('classes = ["a"]\npalette = 3', "palette: must be a list, not 3"),
        ('classes = ["a", "b"]\npalette = [[1, 2, 3]]', "1 colours for 2 classes"),
        ('classes = ["a"]\npalette = [[1, 2]]', "palette[0]: must have 3 entries, not 2"),
        ('classes = ["a"]\npalette = [[1, 2, 256]]', "palette[0][2]: must be from 0 to 255, not 256"),
        ('classes = ["a"]\npalette = [[1, 2, true]]', "True"),
        ('classes = ["a"]\npalette = ["red"]', "'red'"),
        ('classes = ["a", "b"]\npalette = [[1, 2, 3], [1, 2, 3]]', "[1, 2, 3] twice"),
        ('classes = ["a"]\nmaps = "camvid11"', "maps: must be a table, not 'camvid11'"),
        ('classes = ["a"]\n[maps.other]', "[maps.other]"),
        ('classes = ["a"]\nmaps.other = 3', "maps.other: must be a table"),
        ('classes = ["road"]\n[maps.other]\nstreet = "raod"', "'raod'; did you mean road?"),
        ('classes = ["road"]\n[maps.other]\nstreet = 3', "maps.other.street: must be str"),
        ('classes = ["road"]\n[maps.cityscapes19]\nstreet = "road"', "'street'"),
        ('classes = ["a"]\n"two\\nlines" = 1', "two lines"),
    ],
)
def test_bad_files(written, text, part):
    path = written(text)
    with pytest.raises(InputError) as caught:
        load_classes(path)
    message = str(caught.value)
    assert part in message
    assert path in message
    assert "\n" not in message


def test_missing_or_binary_file(tmp_path):
    (tmp_path / "latin.toml").write_bytes(b'classes = ["stra\xdfe"]')
    for name, part in (("absent.toml", "no such file"), ("latin.toml", "not UTF-8 at byte")):
        with pytest.raises(InputError, match=part) as caught:
            load_classes(str(tmp_path / name))
        assert str(tmp_path / name) in str(caught.value)
