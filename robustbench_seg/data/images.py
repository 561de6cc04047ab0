"""Decoding of image, label and depth files; whatever is wrong with one is an InputError of one line.

Pixels are taken as stored unless an orientation is asked for (see `read_image`). Alpha is dropped, because no
background is declared to blend with. Memory is bounded: what a header claims is checked before anything is decoded.
"""

from __future__ import annotations

import io
import json
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

from robustbench_seg.classes import VOID, ClassSet
from robustbench_seg.errors import InputError
from robustbench_seg.registry import one_line, some
from robustbench_seg.strict import Range, fault

Byte = Annotated[int, Range(0, 255)]
Colour = tuple[Byte, Byte, Byte]
"""An RGB triple."""

Orientation = Literal["apply", "ignore"]
"""What is done with a file's EXIF orientation: pixels are turned as viewers do, or taken as stored."""

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
MAX_PIXELS = 1 << 26
"""Larger files are refused before they are decoded (8192 x 8192)."""
MAX_BYTES = 1 << 30
"""Larger files are refused before they are read: more than `MAX_PIXELS` take in any format."""
MAX_ID = (1 << 16) - 1
"""The largest id that a label file can hold (16 bits)."""

_TURNS = range(2, 9)
"""EXIF orientations that ask for a turn or a mirror."""
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM")

_COLOUR_MODES = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr"})
_LOSSLESS = frozenset({"PNG", "TIFF", "BMP"})
_DEEP = frozenset({"I;16", "I;16B", "I;16L"})
_DEEP_COLOUR = frozenset({"RGB;16B", "RGBA;16B"})
_ID_STEP = {"1": 1, "P": 1, "P;1": 1, "P;2": 1, "P;4": 1, "L": 1, "L;2": 85, "L;4": 17} | dict.fromkeys(_DEEP, 1)
"""Pixel layouts that hold ids, and the step by which Pillow stretches 2- and 4-bit grey to 0..255."""


def bad_file(path: Path, what: str, fix: str) -> InputError:
    """The error for a file: its path, what is wrong, how to fix it; always one line."""
    return fault(path, f"{what}; {fix}")


def read_bytes(path: Path, fix: str = "check the path and its permissions") -> bytes:
    """The bytes of a file; InputError with this `fix` where it cannot be read, or holds more than `MAX_BYTES`."""
    _check_file(path, fix)
    try:
        return path.read_bytes()
    except OSError as error:
        raise bad_file(path, f"cannot be read ({error.strerror})", fix) from None


def read_text(path: Path, fix: str) -> str:
    """The text of a UTF-8 file; InputError with this `fix` where it cannot be read."""
    try:
        return read_bytes(path, fix).decode()
    except UnicodeDecodeError:
        raise bad_file(path, "cannot be read (not text)", fix) from None


def read_json(path: Path, fix: str) -> Any:
    """What a JSON file holds; InputError with this `fix` where it cannot be read or is no JSON."""
    try:
        return json.loads(read_text(path, fix))
    except (ValueError, RecursionError) as error:  # that of numbers with thousands of digits, and of deep nesting
        raise bad_file(path, f"is no JSON ({one_line(error)})", fix) from None


def as_distributed(ids: Sequence[int]) -> str:
    """What to do about ids in the label files of a published data set that it does not define."""
    return "copy the labels again, as they are distributed"


def check_size(path: Path, shape: Sequence[int], expected: Sequence[int], whose: str, fix: str) -> None:
    """Raises InputError where what the file holds is not of the `expected` (H,W), which is that of `whose`."""
    if tuple(shape[:2]) != tuple(expected[:2]):
        raise bad_file(path, f"is {shape[1]}x{shape[0]}, {whose} {expected[1]}x{expected[0]}", fix)


def read_image(path: Path, orientation: Orientation | None = "ignore") -> npt.NDArray[np.uint8]:
    """An image as (H,W,3) uint8 RGB; grey and palette images are converted, alpha is dropped.

    `orientation` says what is done with EXIF's; None refuses a file that asks to be turned. InputError then, and where
    the file is missing, empty, broken, no image, animated, too large, or deeper than 8 bits per channel.
    """
    image, layout, turn = _decode(path)
    if turn and orientation is None:
        what = f"asks to be turned (EXIF orientation {turn}), and labels may be drawn on either raster"
        fix = 'write orientation = "apply" or "ignore" in dataset.toml, or turn the pixels and remove the tag'
        raise bad_file(path, what, fix)
    return _to_rgb(path, ImageOps.exif_transpose(image) if orientation == "apply" else image, layout)


def read_labels(path: Path) -> npt.NDArray[np.uint16]:
    """Label ids as (H,W) uint16: the values of a grey image, the indices of a palette image.

    InputError where the file is unreadable, lossy or in colour.
    """
    image, layout = _decode_labels(path)
    if layout not in _ID_STEP:
        raise bad_file(
            path,
            f"has {layout} pixels, not label ids",
            "declare the palette of colour labels, or save the ids as 8-bit grey PNG",
        )
    ids: npt.NDArray[np.uint16] = (np.array(image) // np.array(_ID_STEP[layout], np.uint16)).astype(np.uint16)
    return ids


def read_mapped_labels(
    path: Path,
    table: Mapping[int, int],
    rest: int | None = None,
    advice: Callable[[Sequence[int]], str] = as_distributed,
) -> npt.NDArray[np.uint8]:
    """Label ids renumbered by `table` (id in the file -> id returned), (H,W) uint8.

    `rest` is what ids become that the table lacks. InputError as in `read_labels`, or, without `rest`, where there is
    such an id; `advice` says what to do about those.
    """
    return renumber(path, read_labels(path), table, rest, advice)


def renumber(
    path: Path,
    ids: npt.NDArray[np.unsignedinteger],
    table: Mapping[int, int],
    rest: int | None = None,
    advice: Callable[[Sequence[int]], str] = as_distributed,
) -> npt.NDArray[np.uint8]:
    """The ids (H,W) of up to 16 bits that a file holds, renumbered as in `read_mapped_labels`."""
    lookup = np.full(MAX_ID + 1, -1 if rest is None else rest, np.int16)
    lookup[list(table)] = list(table.values())
    mapped: npt.NDArray[np.int16] = lookup[ids]
    if mapped.min() < 0:
        unknown = np.unique(ids[mapped < 0]).tolist()
        raise bad_file(path, f"holds label ids {some(unknown)} that no class has", advice(unknown))
    return mapped.astype(np.uint8)


def same_ids(classes: ClassSet) -> dict[int, int]:
    """The table of files that hold the ids of these classes already, and 255 for void."""
    return {index: index for index in range(len(classes))} | {VOID: VOID}


def read_colour_labels(path: Path, palette: Mapping[Colour, int]) -> npt.NDArray[np.uint8]:
    """Label ids of a colour image, (H,W) uint8; `palette` gives each colour's id, several may share one.

    InputError where the file is unreadable or lossy, or the palette lacks a colour.
    """
    image, layout = _decode_labels(path)
    codes = _codes(_to_rgb(path, image, layout))
    known = _codes(np.array(list(palette), np.uint8))
    order = np.argsort(known)
    at = order[np.searchsorted(known, codes, sorter=order).clip(max=len(known) - 1)]
    unknown = codes[known[at] != codes]
    if unknown.size:
        colours = [[code >> 16, code >> 8 & 255, code & 255] for code in np.unique(unknown).tolist()]
        raise bad_file(
            path,
            f"has {unknown.size} pixels of the colours {some(colours)} that the palette lacks",
            "add them to the palette or declare them void; labels must not be resized with smoothing",
        )
    ids: npt.NDArray[np.uint8] = np.array(list(palette.values()), np.uint8)[at]
    return ids


def read_channels(path: Path) -> npt.NDArray[np.uint8]:
    """The values of a colour file that keeps them as they are, (H,W,3) uint8 RGB; alpha is dropped.

    InputError where the file is unreadable, lossy, or deeper than 8 bits per channel.
    """
    image, layout = _decode_labels(path)
    return _to_rgb(path, image, layout)


def read_deep_channel(path: Path) -> npt.NDArray[np.uint16]:
    """The first channel of a 16-bit PNG in grey or RGB, (H,W) uint16.

    InputError where the file is unreadable, lossy or of fewer bits.
    """
    image, layout = _decode_labels(path)
    if layout in _DEEP:
        return np.array(image).astype(np.uint16)
    if layout not in _DEEP_COLOUR:
        raise bad_file(path, f"does not hold 16 bits per channel ({layout})", "copy the data set's own file again")
    # Pillow keeps the high byte of each channel, which in the other order of bytes is the low one.
    swapped = Image.open(io.BytesIO(read_bytes(path)))
    codec, extents, offset, _ = swapped.tile[0]
    swapped.tile = [(codec, extents, offset, layout.replace("16B", "16L"))]  # type: ignore[list-item]
    high, low = (np.array(part)[..., 0].astype(np.uint16) for part in (image, swapped))
    values: npt.NDArray[np.uint16] = high << np.uint16(8) | low
    return values


def read_depth(path: Path, unit: float) -> npt.NDArray[np.float32]:
    """Depth in metres, (H,W) float32, invalid 0: the stored value times `unit` (metres per count).

    A 16-bit grey image or a `.npy` array of two axes. NaN, infinite and negative values, which files use for sky and
    holes, become 0. InputError where the file is unreadable, lossy, of fewer than 16 bits or of another shape or type.
    """
    fix = "save depth as 16-bit grey PNG or float32 .npy"
    counts: npt.NDArray[np.generic] = _depth_array(path) if path.suffix.lower() == ".npy" else read_counts(path, fix)
    return to_metres(counts, unit)


def to_metres(counts: npt.NDArray[np.generic], unit: float) -> npt.NDArray[np.float32]:
    """What a file holds times `unit`, float32; NaN, infinite and negative values become 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        metres = (counts.astype(np.float64) * unit).astype(np.float32)
    return np.where(np.isfinite(metres) & (metres > 0), metres, np.float32(0))


def read_counts(path: Path, fix: str) -> npt.NDArray[np.uint16]:
    """The values of a 16-bit grey image, (H,W); InputError, with this `fix` where it is of another kind."""
    image, layout = _decode_labels(path)
    if layout not in _DEEP:
        raise bad_file(path, f"is not a 16-bit grey image ({layout})", fix)
    return np.array(image, np.uint16)


def read_array(path: Path, fix: str) -> npt.NDArray[np.generic]:
    """The numbers of a `.npy` file; InputError, with this `fix`, where it is none, holds others, or holds too many."""
    _check_file(path, fix)
    try:
        array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # on broken bytes numpy raises anything
        raise bad_file(path, f"is not a readable .npy file ({one_line(error)})", fix) from None
    if array.dtype.kind not in "fiu" or not array.size:
        raise bad_file(path, f"is a {array.dtype} array of shape {array.shape}, not numbers", fix)
    if array.size > MAX_PIXELS:
        raise bad_file(path, f"has {array.size} numbers, the limit is {MAX_PIXELS}", "resize or crop it")
    return np.array(array)


def _depth_array(path: Path) -> npt.NDArray[np.generic]:
    fix = "save it with numpy.save as a float32 array of shape (H,W)"
    array = read_array(path, fix)
    if array.ndim != 2:
        raise bad_file(path, f"is a {array.dtype} array of shape {array.shape}, not a depth map", fix)
    return array


def _check_file(path: Path, fix: str) -> None:
    """Reading a pipe or a device would never end, and a file may be larger than memory."""
    try:
        status = path.stat()
    except OSError as error:
        raise bad_file(path, f"cannot be read ({error.strerror})", fix) from None
    if not stat.S_ISREG(status.st_mode):
        raise bad_file(path, "is no file", "put a regular file there, not a folder, pipe or device")
    if status.st_size > MAX_BYTES:
        raise bad_file(path, f"has {status.st_size} bytes, the limit is {MAX_BYTES}", "resize, crop or compress it")


def _decode(path: Path) -> tuple[Image.Image, str, int]:
    """The decoded image, its pixel layout in the file (Pillow's raw mode, such as `RGB;16B`), and its EXIF orientation.

    The orientation is 0 where the pixels are as they should be seen.
    """
    data = read_bytes(path)
    if not data:
        raise bad_file(path, "is empty (0 bytes)", "copy it again or remove it")
    try:
        Image.open(io.BytesIO(data), formats=_FORMATS).verify()
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
        layout = _layout(image)
        width, height = _claimed(image)
        if width * height <= MAX_PIXELS:
            turn = image.getexif().get(ExifTags.Base.Orientation, 1)
            image.load()
            _refuse_frames(path, image)
            return image, layout, turn if turn in _TURNS else 0
        size = f"{width} x {height}"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        size = "far too many"
    except UnidentifiedImageError:
        raise bad_file(path, "is not an image of a known format", f"give one of {', '.join(_FORMATS)}") from None
    except InputError:
        raise
    except Exception as error:  # on broken bytes a decoder raises anything
        raise bad_file(path, f"is a broken image ({one_line(error)})", "copy it again or remove it") from None
    raise bad_file(path, f"has {size} pixels, the limit is {MAX_PIXELS}", "resize or crop it")


def _claimed(image: Image.Image) -> tuple[int, int]:
    """Width and height that decoding makes room for: a tile of a TIFF may be larger than its image."""
    tags = getattr(image, "tag_v2", {})
    tile = int(tags.get(TiffImagePlugin.TILEWIDTH, 0)), int(tags.get(TiffImagePlugin.TILELENGTH, 0))
    return max(image.size, tile, key=lambda size: size[0] * size[1])


def _refuse_frames(path: Path, image: Image.Image) -> None:
    # A phone's JPEG may carry further pictures (MPO), which are no frames.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        raise bad_file(path, "holds several frames", "save the one that its labels are of as a file of its own")


def _layout(image: Image.Image) -> str:
    """The raw mode of an image that is not yet loaded, or its mode where the format has none."""
    tiles = getattr(image, "tile", None)
    arguments = tiles[0][3] if tiles else None
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else image.mode


def _decode_labels(path: Path) -> tuple[Image.Image, str]:
    image, layout, turn = _decode(path)
    if turn:
        raise bad_file(
            path, f"asks to be turned (EXIF orientation {turn})", "remove the tag: labels are read as stored"
        )
    if image.format not in _LOSSLESS:
        raise bad_file(
            path,
            f"is a {image.format} file, which does not keep label values as they are",
            "save labels as PNG from the lossless original",
        )
    return image, layout


def _to_rgb(path: Path, image: Image.Image, layout: str) -> npt.NDArray[np.uint8]:
    if image.mode not in _COLOUR_MODES or ";16" in layout:
        raise bad_file(
            path,
            f"has {layout} pixels, not 8 bits per channel",
            "save it as 8-bit RGB: which range of a deeper image is visible is not declared",
        )
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))


def _codes(rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """One number per colour: (...,3) uint8 -> (...) int32."""
    wide = rgb.astype(np.int32)
    codes: npt.NDArray[np.int32] = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    return codes
