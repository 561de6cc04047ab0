"""Files that are no image, label or depth map, each with what the error line has to say; and odd ones that are fine."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 6, 8
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
IDS = RNG.integers(0, 3, (HEIGHT, WIDTH)).astype(np.uint8)
BIG = 60_000
GREY, RGB = 0, 2

IDS_OF_THREE = 'classes = ["road", "sky", "car"]\n'
COLOURS = IDS_OF_THREE + "palette = [[9, 0, 0], [0, 9, 0], [0, 0, 9]]\n"
CITY = 'classes = "cityscapes19"\n'
METRES = IDS_OF_THREE + "depth_unit = 0.01\n"


def encoded(values: object, kind: str = "PNG", dtype: type = np.uint8, mode: str | None = None, **options) -> bytes:
    """An array as the bytes of an image file."""
    image = Image.fromarray(np.asarray(values, dtype))
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, bits: int, kind: int, data: bytes, *extra: bytes) -> bytes:
    """A PNG that claims what it is told; `extra` chunks come before the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def with_chunk(extra: bytes) -> bytes:
    return png(1, 1, 8, GREY, zlib.compress(b"\0\0"), extra)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def npy(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def npy_header(text: str, length: int | None = None) -> bytes:
    """An array file of a header that is only text; `length` is what the file says of the header."""
    data = text.encode() + b"\n"
    return b"\x93NUMPY\x02\x00" + struct.pack("<I", len(data) if length is None else length) + data + bytes(64)


class Evil:
    """Unpickling it makes a folder."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def evil(path: Path) -> bytes:
    return pickle.dumps(Evil(path.parent / "marker"))


def evil_array(path: Path) -> bytes:
    return npy(np.array([[Evil(path.parent / "marker")]], object), allow_pickle=True)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(1 << 24))
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, depth=np.ones((HEIGHT, WIDTH)))
    return buffer.getvalue()


def bomb() -> bytes:
    """64 MiB of zeros, deflated."""
    return zlib.compress(bytes(1 << 26))


def tiff(side: int, width: int, height: int, data: bytes) -> bytes:
    """A grey TIFF of deflated `data` that claims to be `side` pixels square, in one tile of a size of its own."""
    tags = [(256, side), (257, side), (258, 8), (259, 8), (262, 1), (277, 1), (322, width), (323, height)]
    entries = [*tags, (324, 8 + 2 + 12 * 10 + 4), (325, len(data))]
    table = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + table + struct.pack("<I", 0) + data


def jpeg_claiming(side: int) -> bytes:
    data = encoded(PIXELS, "JPEG")
    return data.replace(struct.pack(">HH", HEIGHT, WIDTH), struct.pack(">HH", side, side), 1)


def bmp_claiming(side: int) -> bytes:
    data = encoded(PIXELS, "BMP")
    return data[:18] + struct.pack("<ii", side, side) + data[26:]


def webp_claiming(side: int) -> bytes:
    """An extended WebP whose canvas is far larger than its frame."""
    inner = encoded(PIXELS, "WEBP", lossless=True)[12:]
    canvas = b"VP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + struct.pack("<I", side - 1)[:3] * 2
    return b"RIFF" + struct.pack("<I", 4 + len(canvas) + len(inner)) + b"WEBP" + canvas + inner


@dataclass(frozen=True)
class Bad:
    """A file in place of a sound one: what it holds or how it is made, and a part of the line that says what is wrong.

    The sound file of its name is removed first; `config` is the dataset.toml.
    """

    path: str
    make: bytes | Callable[[Path], object]
    says: str
    config: str = IDS_OF_THREE

    def put(self, path: Path) -> None:
        """Make the file."""
        data = self.make if isinstance(self.make, bytes) else self.make(path)
        if isinstance(data, bytes):
            path.write_bytes(data)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


def folder(path: Path) -> None:
    path.mkdir()
    path.with_name("b.png").write_bytes(encoded(PIXELS))


def twice(path: Path) -> None:
    for one in (path, path.with_suffix(".png")):
        one.write_bytes(encoded(PIXELS))


IMAGE, JPEG, TIFF, LABEL, DEPTH, ARRAY = (
    "images/a.png",
    "images/a.jpg",
    "images/a.tif",
    "labels/a.png",
    "depth/a.png",
    "depth/a.npy",
)
LARGE = "pixels, the limit is 67108864"

BOMBS = {
    "60000 x 60000 PNG": Bad(IMAGE, png(BIG, BIG, 8, GREY, bomb()), LARGE),
    "60000 x 60000 PNG of one bit": Bad(IMAGE, png(BIG, BIG, 1, GREY, zlib.compress(b"")), LARGE),
    "60000 x 60000 JPEG": Bad(JPEG, jpeg_claiming(BIG), LARGE),
    "60000 x 60000 TIFF": Bad(TIFF, tiff(BIG, 16, 16, bomb()), LARGE),
    "TIFF of a tile of 60000 x 60000": Bad(TIFF, tiff(8, BIG, BIG, bomb()), LARGE),
    "60000 x 60000 BMP": Bad("images/a.bmp", bmp_claiming(BIG), LARGE),
    "16383 x 16383 WebP": Bad("images/a.webp", webp_claiming(16383), LARGE),
    "PPM of a trillion pixels": Bad("images/a.ppm", b"P6 1000000 1000000 255\n" + bytes(9), LARGE),
    "text chunk that unpacks to 64 MiB": Bad(IMAGE, with_chunk(chunk(b"zTXt", b"a\0\0" + bomb())), "broken image"),
    "more pixels than its size": Bad(IMAGE, png(1, 1, 8, GREY, bomb()), "is 8x6, its image"),
    "sparse file of a TiB": Bad(IMAGE, sparse, "1099511627776 bytes"),
    "endless device": Bad(IMAGE, lambda path: path.symlink_to("/dev/zero"), "is no file"),
    "pipe that nobody writes to": Bad(IMAGE, os.mkfifo, "is no file"),
    "label of 60000 x 60000": Bad(LABEL, png(BIG, BIG, 8, GREY, bomb()), LARGE),
    "depth of 60000 x 60000": Bad(DEPTH, png(BIG, BIG, 16, GREY, bomb()), LARGE, METRES),
    "array of a trillion numbers": Bad(
        ARRAY, npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000)}"), "not a readable"
    ),
    "sparse array of a TiB": Bad(ARRAY, sparse, "1099511627776 bytes"),
    "header of 4 GiB": Bad(ARRAY, npy_header("{", 0xFFFFFFFF), "not a readable .npy"),
    "header of nested brackets": Bad(ARRAY, npy_header("(" * 9000), "not a readable .npy"),
}

BAD = BOMBS | {
    "empty": Bad(IMAGE, b"", "is empty (0 bytes)"),
    "text": Bad(IMAGE, b"version https://git-lfs.github.com/spec/v1\n", "is not an image"),
    "web page": Bad(JPEG, b"<html>404</html>", "is not an image"),
    "zip archive": Bad(IMAGE, zipped(), "is not an image"),
    "pickle": Bad(IMAGE, evil, "is not an image"),
    "PostScript, which is a program": Bad(IMAGE, encoded(PIXELS, "EPS"), "is not an image of a known format"),
    "GIF": Bad(IMAGE, encoded(PIXELS, "GIF"), "give one of PNG, JPEG"),
    "cut PNG": Bad(IMAGE, encoded(PIXELS)[:-40], "broken image"),
    "PNG without its end": Bad(IMAGE, encoded(PIXELS)[:-9], "broken image"),
    "cut JPEG": Bad(JPEG, encoded(RNG.integers(0, 256, (64, 64, 3)), "JPEG")[:-300], "broken image"),
    "cut TIFF": Bad(TIFF, encoded(np.tile(PIXELS, (9, 9, 1)), "TIFF")[:-900], "broken image"),
    "TIFF without its header": Bad(TIFF, encoded(PIXELS, "TIFF")[:60], "is not an image"),
    "cut BMP": Bad("images/a.bmp", encoded(PIXELS, "BMP")[:-20], "broken image"),
    "damaged PNG": Bad(IMAGE, encoded(PIXELS).replace(b"IDAT", b"IDAT\xff", 1), "broken image"),
    "PNG whose pixels are cut": Bad(IMAGE, png(64, 64, 8, GREY, zlib.compress(RNG.bytes(4160))[:-900]), "broken image"),
    "PNG of no width": Bad(IMAGE, png(0, HEIGHT, 8, GREY, zlib.compress(b"")), "image"),
    "animated PNG": Bad(
        IMAGE,
        encoded(PIXELS, save_all=True, append_images=[Image.fromarray(255 - PIXELS)]),
        "several frames",
    ),
    "animated WebP": Bad(
        "images/a.webp",
        encoded(PIXELS, "WEBP", save_all=True, append_images=[Image.fromarray(255 - PIXELS)]),
        "several frames",
    ),
    "TIFF of two pages": Bad(
        TIFF, encoded(PIXELS, "TIFF", save_all=True, append_images=[Image.fromarray(PIXELS)]), "several frames"
    ),
    "16 bits": Bad(IMAGE, encoded(IDS, dtype=np.uint16), "not 8 bits per channel"),
    "16 bits in colour": Bad(
        IMAGE, png(1, 1, 16, RGB, zlib.compress(bytes(7))), "RGB;16B pixels, not 8 bits per channel"
    ),
    "floating point": Bad(TIFF, encoded(PIXELS[..., 0] / 255, "TIFF", np.float32), "not 8 bits per channel"),
    "turned by EXIF": Bad(JPEG, encoded(PIXELS, "JPEG", exif=exif(6)), "EXIF orientation 6"),
    "mirrored by EXIF": Bad(IMAGE, encoded(PIXELS, exif=exif(2)), "EXIF orientation 2"),
    "dangling link": Bad(IMAGE, lambda path: path.symlink_to("nowhere.png"), "No such file"),
    "link to itself": Bad(IMAGE, lambda path: path.symlink_to("a.png"), "symbolic links"),
    "folder": Bad(IMAGE, folder, "is a folder among files"),
    "name that is not UTF-8": Bad("images/\udcff.png", encoded(PIXELS), "no printable Unicode"),
    "name of two lines": Bad("images/b\nc.png", encoded(PIXELS), "no printable Unicode"),
    "two images of a name": Bad("images/a.webp", twice, "has the name of"),
    "lossy label": Bad("labels/a.jpg", encoded(IDS, "JPEG"), "is a JPEG file"),
    "lossy label named PNG": Bad(LABEL, encoded(IDS, "JPEG"), "is a JPEG file"),
    "WebP label": Bad("labels/a.webp", encoded(PIXELS, "WEBP"), "is a WEBP file"),
    "label in colour": Bad(LABEL, encoded(PIXELS), "has RGB pixels, not label ids"),
    "label with alpha": Bad(LABEL, encoded(IDS, mode="LA"), "has LA pixels, not label ids"),
    "floating point label": Bad("labels/a.tif", encoded(IDS, "TIFF", np.float32), "not label ids"),
    "label of 32 bits": Bad("labels/a.tif", encoded(IDS, "TIFF", np.int32), "not label ids"),
    "label of another size": Bad(LABEL, encoded(IDS[1:]), "is 8x5, its image"),
    "label on its side": Bad(LABEL, encoded(IDS.T), "is 6x8, its image"),
    "turned label": Bad(LABEL, encoded(IDS, exif=exif(3)), "EXIF orientation 3"),
    "unknown ids": Bad(LABEL, encoded(IDS + 7), "holds label ids 7, 8, 9 that no class has"),
    "unknown ids of 16 bits": Bad(
        LABEL, encoded(IDS.astype(int) + 1000, dtype=np.uint16), "label ids 1000, 1001, 1002"
    ),
    "unknown ids of a palette": Bad(LABEL, encoded(IDS + 100, mode="P"), "label ids"),
    "labelIds where train ids belong": Bad(LABEL, encoded(IDS + 24), 'write ids = "labelIds"', CITY),
    "grey label where colours belong": Bad(LABEL, encoded(IDS), "that the palette lacks", COLOURS),
    "smoothed colours": Bad(LABEL, encoded(PIXELS // 2), "must not be resized with smoothing", COLOURS),
    "cut label": Bad(LABEL, encoded(IDS)[:-30], "broken image"),
    "label of another name": Bad("labels/b.png", encoded(IDS), "no semantic labels"),
    "depth of 8 bits": Bad(DEPTH, encoded(IDS), "is not a 16-bit grey image", METRES),
    "depth in colour": Bad(DEPTH, encoded(PIXELS), "is not a 16-bit grey image", METRES),
    "lossy depth": Bad("depth/a.jpg", encoded(IDS, "JPEG"), "is a JPEG file", METRES),
    "depth without a unit": Bad(DEPTH, encoded(IDS, dtype=np.uint16), "declares no depth_unit"),
    "depth of another size": Bad(DEPTH, encoded(IDS.T, dtype=np.uint16), "is 6x8, its image", METRES),
    "pickled depth": Bad(ARRAY, evil, "not a readable .npy"),
    "array of objects": Bad(ARRAY, evil_array, "not a readable .npy"),
    "archive of arrays": Bad(ARRAY, npz(), "not a readable .npy"),
    "cut array": Bad(ARRAY, npy(np.ones((HEIGHT, WIDTH)))[:-8], "not a readable .npy"),
    "empty array": Bad(ARRAY, npy(np.ones((0, WIDTH))), "shape (0, 8)"),
    "array of three axes": Bad(ARRAY, npy(np.ones((HEIGHT, WIDTH, 1))), "shape (6, 8, 1)"),
    "array of text": Bad(ARRAY, npy(np.full((HEIGHT, WIDTH), "far")), "is a <U3 array"),
    "complex array": Bad(ARRAY, npy(np.ones((HEIGHT, WIDTH), complex)), "is a complex128 array"),
    "array of records": Bad(ARRAY, npy(np.ones((HEIGHT, WIDTH), [("z", "f4")])), "not numbers"),
    "array of a negative shape": Bad(
        ARRAY, npy_header("{'descr': '<f4', 'fortran_order': False, 'shape': (-6, -8)}"), "a"
    ),
}


def mpo() -> bytes:
    """A phone's JPEG with a second picture."""
    return encoded(PIXELS, "MPO", save_all=True, append_images=[Image.fromarray(PIXELS[:2, :2])])


@dataclass(frozen=True)
class Odd:
    """A file in place of a sound one that is fine, strange as it may look."""

    path: str
    data: bytes
    config: str = IDS_OF_THREE


ODD = {
    "alpha": Odd(IMAGE, encoded(np.dstack([PIXELS, PIXELS[..., 0]]))),
    "grey": Odd(IMAGE, encoded(PIXELS[..., 0])),
    "grey with alpha": Odd(IMAGE, encoded(PIXELS, mode="LA")),
    "black and white": Odd(IMAGE, encoded(PIXELS, mode="1")),
    "palette": Odd(IMAGE, encoded(PIXELS, mode="P")),
    "four inks": Odd(JPEG, encoded(PIXELS, "JPEG", mode="CMYK")),
    "progressive": Odd(JPEG, encoded(PIXELS, "JPEG", progressive=True)),
    "phone": Odd(JPEG, mpo()),
    "upright by EXIF": Odd(JPEG, encoded(PIXELS, "JPEG", exif=exif(1))),
    "no such orientation": Odd(JPEG, encoded(PIXELS, "JPEG", exif=exif(9))),
    "turned and declared": Odd(IMAGE, encoded(PIXELS, exif=exif(3)), IDS_OF_THREE + 'orientation = "apply"'),
    "JPEG named PNG": Odd(IMAGE, encoded(PIXELS, "JPEG")),
    "WebP": Odd("images/a.webp", encoded(PIXELS, "WEBP")),
    "upper case": Odd("images/a.PNG", encoded(PIXELS)),
    "bilevel label": Odd(LABEL, encoded(IDS > 0, dtype=np.bool_)),
    "palette label": Odd(LABEL, encoded(IDS, mode="P")),
    "label of 16 bits": Odd(LABEL, encoded(IDS, dtype=np.uint16)),
    "packed label": Odd("labels/a.tif", encoded(IDS, "TIFF", compression="tiff_lzw")),
    "colours with alpha": Odd(LABEL, encoded(np.full((HEIGHT, WIDTH, 4), (0, 9, 0, 255))), COLOURS),
    "train ids of Cityscapes alone": Odd(LABEL, encoded(IDS + 7), CITY),
    "depth with holes": Odd(ARRAY, npy(np.where(IDS > 1, np.nan, IDS - 1.0))),
    "depth without any": Odd(ARRAY, npy(np.full((HEIGHT, WIDTH), -np.inf))),
    "depth in columns": Odd(ARRAY, npy(np.asfortranarray(np.ones((HEIGHT, WIDTH), ">f8")))),
    "half precision": Odd(ARRAY, npy(np.ones((HEIGHT, WIDTH), np.float16))),
}
