import numpy as np
import pytest

from robustbench_seg.data.channels import read_centimetres, read_depth24, read_red
from robustbench_seg.data.images import read_deep_channel, renumber
from robustbench_seg.errors import InputError

GREY, RGB, RGBA = 0, 2, 6


@pytest.fixture
def deep(tmp_path, raw_png):
    """A 16-bit PNG whose first channel is given, the others being its complement."""

    def write(values, kind):
        values = np.asarray(values)
        channels = {GREY: 1, RGB: 3, RGBA: 4}[kind]
        stacked = np.stack([values] + [65535 - values] * (channels - 1), -1)
        rows = [np.ascontiguousarray(row, ">u2").tobytes() for row in stacked]
        (tmp_path / "deep.png").write_bytes(raw_png(values.shape[1], rows, 16, kind))
        return tmp_path / "deep.png"

    return write


@pytest.mark.parametrize("kind", [GREY, RGB, RGBA])
def test_the_first_of_16_bit_channels(deep, kind):
    values = np.array([[0, 1, 255, 256], [300, 43_981, 65_280, 65_535]])
    found = read_deep_channel(deep(values, kind))
    assert (found.dtype, found.tolist()) == (np.uint16, values.tolist())


@pytest.mark.parametrize("kind", [GREY, RGB])
def test_centimetres(deep, kind):
    assert read_centimetres(deep([[0, 1, 65_534, 65_535]], kind)).tolist() == [
        [0.0, np.float32(0.01), np.float32(655.34), 0.0]
    ]


@pytest.mark.parametrize("values", [[[7, 8]], [[[1, 2, 3]]]])
def test_eight_bits_are_not_sixteen(tmp_path, save, values):
    with pytest.raises(InputError, match="does not hold 16 bits per channel"):
        read_deep_channel(save(tmp_path / "a.png", values))


def test_depth_in_24_bits(tmp_path, save):
    # Nothing, the least and the largest that are measured, and the far plane.
    path = save(tmp_path / "a.png", [[[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [254, 255, 255], [255, 255, 255]]])
    unit = 1000 / 16_777_215
    expected = [0, unit, 256 * unit, 65_536 * unit, 16_777_214 * unit, 0]
    np.testing.assert_allclose(read_depth24(path, 1000.0)[0], expected, rtol=1e-6)


def test_nothing_but_sky(tmp_path, save):
    assert not read_depth24(save(tmp_path / "a.png", np.full((2, 3, 3), 255)), 1000.0).any()


def test_depth_as_a_picture(tmp_path, save):
    with pytest.raises(InputError, match="is a grey picture of depth"):
        read_depth24(save(tmp_path / "a.png", [[9, 200]]), 1000.0)


def test_red(tmp_path, save):
    assert read_red(save(tmp_path / "a.png", [[[3, 9, 9, 255], [250, 0, 7, 0]]])).tolist() == [[3, 250]]


@pytest.mark.parametrize("read", [read_red, read_deep_channel, lambda path: read_depth24(path, 1.0)])
def test_what_does_not_keep_values(tmp_path, save, read):
    with pytest.raises(InputError, match="JPEG file, which does not keep"):
        read(save(tmp_path / "a.jpg", np.zeros((4, 4, 3))))


def test_renumbered(tmp_path):
    table = {0: 255, 2: 0, 300: 7}
    assert renumber(tmp_path, np.array([[300, 0, 2]], np.uint16), table).tolist() == [[7, 255, 0]]
    with pytest.raises(InputError, match=r"holds label ids 1, 3, 4, 5 and 1 more that no class has; look$"):
        renumber(tmp_path, np.array([[6, 5, 4, 3, 2, 1]], np.uint8), table, advice=lambda ids: "look")
