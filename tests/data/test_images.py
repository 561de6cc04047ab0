import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robustbench_seg.data.images import (
    MAX_PIXELS,
    read_colour_labels,
    read_depth,
    read_image,
    read_labels,
    read_mapped_labels,
)
from robustbench_seg.errors import InputError

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
RAMP = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def fails(read, path: Path, *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    for part in (str(path), *parts):
        assert part in message


class TestReadImage:
    def test_rgb(self, tmp_path, save):
        image = read_image(save(tmp_path / "a.png", RAMP))
        assert image.dtype == np.uint8
        assert image.flags.writeable
        np.testing.assert_array_equal(image, RAMP)

    def test_grey_becomes_rgb(self, tmp_path, save):
        image = read_image(save(tmp_path / "a.png", RAMP[..., 0]))
        np.testing.assert_array_equal(image, np.repeat(RAMP[..., :1], 3, axis=2))

    def test_alpha_is_dropped(self, tmp_path, save):
        alpha = np.zeros((4, 4, 1), np.uint8)
        image = read_image(save(tmp_path / "a.png", np.concatenate([RAMP, alpha], axis=2)))
        np.testing.assert_array_equal(image, RAMP)

    def test_palette_gives_colours(self, tmp_path):
        indexed = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
        indexed.putpalette([10, 20, 30, 40, 50, 60])
        indexed.save(tmp_path / "a.png", transparency=b"\x00\x80")
        assert read_image(tmp_path / "a.png").tolist() == [[[10, 20, 30], [40, 50, 60]]]

    def test_exif_orientation_is_ignored(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(np.zeros((2, 5, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
        assert read_image(tmp_path / "a.jpg").shape == (2, 5, 3)

    def test_cmyk_is_converted(self, tmp_path):
        Image.new("CMYK", (3, 2)).save(tmp_path / "a.jpg")
        assert read_image(tmp_path / "a.jpg").shape == (2, 3, 3)


def jpeg(size: int = 32) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)
    return encoded(Image.fromarray(noise), "JPEG")


def png() -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    return encoded(Image.fromarray(noise), "PNG")


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


BROKEN = {
    "empty": (b"", "0 bytes"),
    "text": (b"not an image at all", "is not an image"),
    "html": (b"<html>404</html>", "is not an image"),
    "header only": (png()[:20], "image"),
    "cut png": (png()[:-2000], "broken image"),
    "cut in the last chunk": (png()[:-10], "broken image"),
    "flipped bit": (flipped(png()), "broken image"),
    "cut jpeg": (jpeg()[:-200], "broken image"),
}


@pytest.mark.parametrize("read", [read_image, read_labels, lambda path: read_depth(path, 1.0)])
@pytest.mark.parametrize("case", BROKEN)
def test_broken_files(tmp_path, case, read):
    data, reason = BROKEN[case]
    (tmp_path / "a.png").write_bytes(data)
    fails(read, tmp_path / "a.png", reason)


@pytest.mark.parametrize("read", [read_image, read_labels, lambda path: read_depth(path, 1.0)])
def test_missing_file_and_folder(tmp_path, read):
    fails(read, tmp_path / "absent.png", "No such file")
    fails(read, tmp_path, "is no file")


def test_line_break_in_a_path_stays_one_line(tmp_path):
    with pytest.raises(InputError, match="No such file") as caught:
        read_image(tmp_path / "a\nb.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("side", [MAX_PIXELS**0.5 + 1, 10_000, 50_000])
@pytest.mark.parametrize("read", [read_image, read_labels])
def test_too_many_pixels(tmp_path, raw_png, side, read):
    (tmp_path / "a.png").write_bytes(raw_png(int(side), [b""], 8, GREY, height=int(side)))
    fails(read, tmp_path / "a.png", str(MAX_PIXELS), "resize or crop")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_where_warnings_are_no_errors(tmp_path, raw_png):
    (tmp_path / "a.png").write_bytes(raw_png(10_000, [b""], 8, GREY, height=10_000))
    fails(read_image, tmp_path / "a.png", "10000 x 10000", str(MAX_PIXELS))


@pytest.mark.parametrize("kind", [GREY, RGB, GREY_ALPHA, RGBA])
def test_deep_images_are_refused(tmp_path, raw_png, kind):
    channels = {GREY: 1, RGB: 3, GREY_ALPHA: 2, RGBA: 4}[kind]
    (tmp_path / "a.png").write_bytes(raw_png(1, [struct.pack(f">{channels}H", *range(channels))], 16, kind))
    fails(read_image, tmp_path / "a.png", ";16B", "8-bit RGB")


def test_float_images_are_refused(tmp_path, save):
    fails(read_image, save(tmp_path / "a.tiff", [[0.5]], np.float32), "F;32")


class TestReadLabels:
    def test_grey_ids(self, tmp_path, save):
        labels = read_labels(save(tmp_path / "a.png", [[0, 18, 255]]))
        assert labels.tolist() == [[0, 18, 255]]

    @pytest.mark.parametrize("kind", [GREY, PALETTE])
    @pytest.mark.parametrize(
        ("bits", "row", "ids"),
        [(1, 0b01010000, [0, 1, 0, 1]), (2, 0b00011011, [0, 1, 2, 3]), (4, 0x2F, [2, 15]), (8, 7, [7])],
    )
    def test_every_bit_depth_keeps_the_ids(self, tmp_path, raw_png, kind, bits, row, ids):
        (tmp_path / "a.png").write_bytes(raw_png(len(ids), [bytes([row])], bits, kind))
        assert read_labels(tmp_path / "a.png").tolist() == [ids]

    @pytest.mark.parametrize("suffix", ["png", "tiff"])
    def test_sixteen_bits(self, tmp_path, save, suffix):
        assert read_labels(save(tmp_path / f"a.{suffix}", [[0, 65535]], np.uint16)).tolist() == [[0, 65535]]

    def test_rest(self, tmp_path, save):
        path = save(tmp_path / "a.png", [[0, 7, 65535]], np.uint16)
        mapped = read_mapped_labels(path, {7: 1}, rest=255)
        assert mapped.dtype == np.uint8
        assert mapped.tolist() == [[255, 1, 255]]

    def test_colour(self, tmp_path, save):
        fails(read_labels, save(tmp_path / "a.png", RAMP), "RGB pixels", "palette")

    @pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
    def test_lossy(self, tmp_path, kind):
        (tmp_path / "a.png").write_bytes(encoded(Image.new("L" if kind == "JPEG" else "RGB", (4, 4)), kind))
        fails(read_labels, tmp_path / "a.png", kind, "lossless")
        fails(lambda path: read_colour_labels(path, {(0, 0, 0): 0}), tmp_path / "a.png", kind)

    def test_table(self, tmp_path, save):
        path = save(tmp_path / "a.png", [[0, 7, 255]])
        assert read_mapped_labels(path, {0: 3, 7: 0, 255: 255}).tolist() == [[3, 0, 255]]

    def test_undeclared_ids(self, tmp_path, save):
        path = save(tmp_path / "a.png", [[0, 3, 19, 20, 21, 22, 3]])
        fails(lambda path: read_mapped_labels(path, {0: 0}), path, "3, 19, 20, 21 and 1 more")


class TestReadColourLabels:
    def test_colours_may_share_an_id(self, tmp_path, save):
        path = save(tmp_path / "a.png", [[[0, 0, 0], [128, 0, 0], [64, 0, 0], [255, 255, 255]]])
        palette = {(128, 0, 0): 1, (64, 0, 0): 1, (255, 255, 255): 2, (0, 0, 0): 255}
        labels = read_colour_labels(path, palette)
        assert labels.dtype == np.uint8
        assert labels.tolist() == [[255, 1, 1, 2]]

    def test_palette_files_give_their_colours(self, tmp_path):
        indexed = Image.fromarray(np.array([[1, 0]], np.uint8), "P")
        indexed.putpalette([10, 20, 30, 40, 50, 60])
        indexed.save(tmp_path / "a.png")
        assert read_colour_labels(tmp_path / "a.png", {(10, 20, 30): 5, (40, 50, 60): 6}).tolist() == [[6, 5]]

    @pytest.mark.parametrize("stray", [[1, 2, 3], [0, 0, 1], [255, 255, 255]])
    def test_unknown_colour(self, tmp_path, save, stray):
        path = save(tmp_path / "a.png", [[stray, stray, [0, 0, 2]]])
        fails(lambda path: read_colour_labels(path, {(0, 0, 2): 0}), path, str(stray), "2 pixels")


class TestReadDepth:
    def test_counts_times_unit(self, tmp_path, save):
        depth = read_depth(save(tmp_path / "a.png", [[0, 100, 65535]], np.uint16), 0.01)
        assert depth.dtype == np.float32
        np.testing.assert_allclose(depth, [[0, 1, 655.35]], rtol=1e-6)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32])
    def test_array(self, tmp_path, dtype):
        np.save(tmp_path / "a.npy", np.array([[0, 5]], dtype))
        assert read_depth(tmp_path / "a.npy", 2.0).tolist() == [[0, 10]]

    def test_what_is_no_depth_becomes_invalid(self, tmp_path):
        np.save(tmp_path / "a.npy", np.array([[np.nan, np.inf, -np.inf, -1, 1e300, 3]]))
        assert read_depth(tmp_path / "a.npy", 1.0).tolist() == [[0, 0, 0, 0, 0, 3]]

    @pytest.mark.parametrize("values", [RAMP, RAMP[..., 0]])
    def test_eight_bits(self, tmp_path, save, values):
        fails(lambda path: read_depth(path, 1.0), save(tmp_path / "a.png", values), "16-bit")

    @pytest.mark.parametrize(
        ("array", "reason"),
        [
            (np.zeros((2, 3, 1)), "(2, 3, 1)"),
            (np.zeros(3), "(3,)"),
            (np.zeros((0, 3)), "(0, 3)"),
            (np.array([["a"]]), "<U1"),
            (np.array([[None]]), "Python objects"),
            (np.zeros((1, 1), complex), "complex128"),
        ],
    )
    def test_arrays_of_another_kind(self, tmp_path, array, reason):
        np.save(tmp_path / "a.npy", array)
        fails(lambda path: read_depth(path, 1.0), tmp_path / "a.npy", reason)

    def test_cut_array(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros((9, 9)))
        data = (tmp_path / "a.npy").read_bytes()
        for length in (0, 7, 60, len(data) - 8):
            (tmp_path / "a.npy").write_bytes(data[:length])
            fails(lambda path: read_depth(path, 1.0), tmp_path / "a.npy", "not a readable .npy")

    def test_archive(self, tmp_path):
        with (tmp_path / "a.npy").open("wb") as file:
            np.savez(file, depth=np.zeros((2, 2)))
        fails(lambda path: read_depth(path, 1.0), tmp_path / "a.npy", "not a readable .npy")

    def test_header_that_claims_too_much(self, tmp_path):
        np.save(tmp_path / "a.npy", np.zeros((1, 1)))
        data = (tmp_path / "a.npy").read_bytes().replace(b"(1, 1), }" + b" " * 10, b"(999999, 999999), }")
        (tmp_path / "a.npy").write_bytes(data)
        fails(lambda path: read_depth(path, 1.0), tmp_path / "a.npy", "not a readable .npy")
