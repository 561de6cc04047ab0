"""`robustseg data check`: what is found, its exit codes, and the contact sheet."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from robustbench_seg.data.folder import Folder
from robustbench_seg.data.survey import survey
from robustbench_seg.report.contact import contact_sheet
from robustbench_seg.street.dataset import Street

RNG = np.random.default_rng(0)
COLOURS = "palette = [[200, 0, 0], [0, 200, 0]]\n"
CONFIG = 'classes = ["road", "sky"]\n'


@pytest.fixture
def farm(tmp_path):
    """Three images of 24 x 16 pixels, split in halves of road and sky, in the only split there is."""
    base = tmp_path / "farm" / "test"
    for part in ("images", "labels"):
        (base / part).mkdir(parents=True)
    for name in "abc":
        Image.fromarray(RNG.integers(0, 256, (16, 24, 3), np.uint8)).save(base / "images" / f"{name}.png")
        Image.fromarray(np.repeat([0, 1], 12).astype(np.uint8)[None].repeat(16, 0)).save(
            base / "labels" / f"{name}.png"
        )
    (tmp_path / "farm" / "dataset.toml").write_text(CONFIG)
    return tmp_path / "farm"


def test_a_sound_folder(farm, robustseg):
    code, out, err = robustseg("data", "check", farm)
    assert (code, err) == (0, "")
    for part in ("split test", "24 x 16", "3 .png in test/labels", "2 of 2 classes, 0.0 % void", "576", "50.0 %"):
        assert part in out
    assert "✓ nothing looks wrong" in out


def test_by_name(farm, robustseg):
    assert robustseg("data", "check", f"folder:{farm}") == robustseg("data", "check", farm)


def test_for_machines(farm, robustseg):
    (farm / "test" / "labels" / "b.png").write_bytes(b"")
    code, out, err = robustseg("data", "check", farm, "--json")
    found = json.loads(out)
    assert code == 3
    assert err == f"robustseg: {found['unreadable']['b']}\n"
    assert (found["images"], found["seen"], found["splits"]) == (3, 3, ["test"])
    assert found["sizes"] == [{"height": 16, "width": 24, "images": 2}]
    assert found["labels"]["semantic"]["classes"][1] == {"name": "sky", "elements": 2 * 192, "images": 2}


def test_what_is_wrong(farm, robustseg):
    for name in "ab":
        (farm / "test" / "labels" / f"{name}.png").write_bytes(b"x")
    Image.new("L", (24, 16), 255).save(farm / "test" / "labels" / "c.png")
    code, out, err = robustseg("data", "check", farm)
    assert code == 3
    assert err.count("\n") == 1
    assert "a.png: is not an image" in err
    assert "(nor can 1 other image be read)" in err
    assert out.count("✗") == 2
    assert "! semantic: c has no label at all" in out
    assert "! semantic: never seen: road, sky" in out


def test_nothing_is_said_of_labels_that_were_not_read(farm, robustseg):
    for name in "abc":
        (farm / "test" / "labels" / f"{name}.png").write_bytes(b"")
    code, out, _ = robustseg("data", "check", farm)
    assert (code, "semantic: nothing was read" in out, "!" in out) == (3, True, False)


def test_limit_and_split(farm, robustseg):
    assert "3, of which the first 1 were read" in robustseg("data", "check", farm, "--limit", 1)[1]
    code, _, err = robustseg("data", "check", farm, "--split", "val")
    assert (code, "unknown split 'val'" in err) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("{farm}", "-o", "{farm}/sheet.jpg"), 2, "write -o sheet.png"),
        (("{farm}/absent",), 3, "is no folder"),
        (("folder:{farm}/absent",), 3, "is no folder"),
        (("{farm}/test",), 3, "dataset.toml: is missing"),
        (("strete",), 2, "did you mean street"),
        (("",), 2, "has no name"),
        (("voc",), 2, "needs its folder; write voc:FOLDER"),
        (("{farm}", "-o", "{farm}/dataset.toml/sheet.png"), 3, "dataset.toml"),
    ],
)
def test_wrong_arguments(farm, robustseg, arguments, code, part):
    got, _, err = robustseg("data", "check", *(argument.format(farm=farm) for argument in arguments))
    assert (got, err.count("\n")) == (code, 1), err
    assert part in err


def test_contact_sheet(farm, robustseg):
    (farm / "dataset.toml").write_text(CONFIG + 'name = "farm 農場"')
    sheet = farm / "sheets" / "sheet.png"
    assert robustseg("data", "check", farm, "-o", sheet)[0] == 0
    with Image.open(sheet) as image:
        assert image.width > image.height > 100


def test_contact_sheet_shows_images_beside_their_labels(farm):
    """The colours of both classes and of a red image, on as many pixels as pictures of this size have."""
    Image.new("RGB", (24, 16), (255, 0, 10)).save(farm / "test" / "images" / "a.png")
    found = survey(Folder(farm), limit=1)
    pixels = np.asarray(Image.open(io.BytesIO(contact_sheet(found) or b"")).convert("RGB"))
    areas = [(pixels == colour).all(2).sum() for colour in ((255, 0, 10), *found.dataset.classes.palette)]
    assert areas[0] > 50_000
    np.testing.assert_allclose(areas[1:], areas[0] / 2, rtol=0.05)


def test_every_kind_of_label():
    found = survey(Street(size=(32, 64), length=1, cache=False))
    assert {key: bool(counted.summary) for key, counted in found.labels.items()} == dict.fromkeys(
        ("semantic", "depth", "normals", "edges", "instances"), True
    )
    assert contact_sheet(found)


def test_no_contact_sheet_of_nothing(farm):
    (farm / "test" / "images" / "a.png").write_bytes(b"")
    assert contact_sheet(survey(Folder(farm), limit=1)) is None
