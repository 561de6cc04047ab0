"""Miniature trees of images and labels, made by the tests."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from robustbench_seg.data.base import Dataset
from robustbench_seg.errors import InputError

PALETTE = 3


@pytest.fixture
def save() -> Callable[..., Path]:
    """Save an array as an image file, making its folders."""

    def write(path: Path, values: object, dtype: type = np.uint8, **options: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.asarray(values, dtype)).save(path, **options)
        return path

    return write


@pytest.fixture
def raw_png() -> Callable[..., bytes]:
    """The bytes of a PNG of any bit depth and colour type, one bytes object a row."""

    def encode(width: int, rows: list[bytes], bits: int, kind: int, *, height: int | None = None) -> bytes:
        header = struct.pack(">IIBBBBB", width, height or len(rows), bits, kind, 0, 0, 0)
        chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows))), (b"IEND", b"")]
        if kind == PALETTE:
            chunks.insert(1, (b"PLTE", bytes(range(48))))
        return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))

    return encode


@pytest.fixture
def refuses() -> Callable[..., None]:
    """Check that opening a data set and reading it all is refused in one line on a path, with these parts."""

    def check(opened: Callable[[], Dataset], path: Path, *parts: str) -> None:
        with pytest.raises(InputError) as caught:
            list(opened())
        message = str(caught.value)
        assert "\n" not in message
        assert message.startswith(f"{path}:")
        for part in parts:
            assert part in message

    return check


def _chunk(part: tuple[bytes, bytes]) -> bytes:
    name, data = part
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
