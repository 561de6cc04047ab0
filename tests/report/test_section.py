"""Figures on a page: light enough together, their files untouched."""

import io

import numpy as np
import pytest
from PIL import Image

from robustbench_seg.report.pictures import MOST_BYTES, data_uri
from robustbench_seg.report.section import FIGURE_BYTES, FigureFile, Part, Section, lightened


def noise(seed: int) -> FigureFile:
    """A figure that no format makes light."""
    values = np.random.default_rng(seed).integers(0, 256, (60, 80, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    return FigureFile(f"{seed}.png", f"Figure {seed}", buffer.getvalue())


@pytest.fixture
def sections() -> list[Section]:
    return [
        Section(name, name, name, parts=[Part(figures=[noise(2 * i), noise(2 * i + 1)])]) for i, name in enumerate("ab")
    ]


def weight(sections: list[Section]) -> int:
    return sum(len(data_uri(file.png)) for section in sections for part in section.parts for file in part.figures)


def test_light_figures_stay_as_they_are(sections):
    assert lightened(sections, weight(sections)) == sections


@pytest.mark.parametrize("most", [20_000, 2_000])
def test_heavy_figures_are_scaled_down_alike(sections, most):
    whole = weight(sections)
    light = lightened(sections, most)
    assert weight(light) <= 1.05 * most < whole == weight(sections)
    files = [file for section in light for part in section.parts for file in part.figures]
    assert len({Image.open(io.BytesIO(file.png)).size for file in files}) == 1
    assert [file.caption for file in files] == ["Figure 0", "Figure 1", "Figure 2", "Figure 3"]


def test_both_kinds_of_pictures_are_within_three_megabytes():
    assert MOST_BYTES + FIGURE_BYTES <= 3_000_000
