import base64
import io
import re

import numpy as np
from PIL import Image

from robustbench_seg.report.pictures import PictureSet, gallery
from robustbench_seg.results.run import Panel
from tests.report.fake_run import FakeRun


def noise(seed: int, size: tuple[int, int] = (128, 256)) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def panels(count: int, models: tuple[str, ...] = ("m",)) -> list[Panel]:
    return [
        Panel(model, "d", f"image {i}", "pgd", "semantic", "linf", 1.0, {"perturbed": noise(i)})
        for i in range(count)
        for model in models
    ]


def weight(found: dict[str, list[PictureSet]]) -> int:
    return sum(len(line.given or "") for sets in found.values() for one in sets for line in one.lines)


def test_heavy_pictures_become_jpegs(run: FakeRun) -> None:
    (first, *_) = next(iter(gallery(run.panels()).values()))
    assert [line.caption for line in first.lines[:2]] == ["ground truth", "clean"]
    assert (first.lines[1].given or "").startswith("data:image/jpeg")
    assert all((line.maps[0] or "").startswith("data:image/png") for line in first.lines)


def test_they_get_lighter_until_all_fit_and_none_is_lost() -> None:
    made = panels(12, ("a", "b"))
    whole = weight(gallery(made, 10**9))
    for share in (2, 4, 8):
        found = gallery(made, whole // share)
        assert len(found) == 12
        assert weight(found) <= whole // share


def test_images_are_left_out_where_the_lightest_do_not_fit() -> None:
    found = gallery(panels(8), 4_000)
    assert 0 < len(found) < 8
    assert weight(found) <= 4_000
    assert list(found) == [f"image {i} of d" for i in range(len(found))]
    assert gallery(panels(1), 10) == {}


def test_sizes_keep_their_shape(run: FakeRun) -> None:
    (sets,) = gallery(panels(1), 8_000).values()
    uri = sets[0].lines[-1].given or ""
    with Image.open(io.BytesIO(base64.b64decode(re.sub("^data:.*?,", "", uri)))) as image:
        assert image.width == 2 * image.height
