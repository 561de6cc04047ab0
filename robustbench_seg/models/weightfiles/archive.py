"""Zip archives: which of them torch.save wrote, and that they claim no more than they are."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

from robustbench_seg.errors import InputError
from robustbench_seg.registry import printable

DATA = "data.pkl"
_DAMAGED = "is damaged or cut (a zip archive whose {}); fetch or write the file again"
# By how a member's name ends; the first that fits is taken.
_OTHERS = {
    "/constants.pkl": (
        'is a TorchScript program; its weights are written by python -c "import torch; '
        "torch.save(torch.jit.load({path!r}, 'cpu').state_dict(), {out!r})\"; "
        "give those as --weights, with the code that builds the network as -m FILE.py:factory"
    ),
    "archive_format": (
        'is a program of torch.export; its weights are written by python -c "import torch; '
        'torch.save(torch.export.load({path!r}).state_dict, {out!r})"; '
        "give those as --weights, with the code that builds the network as -m FILE.py:factory"
    ),
    ".npy": "is an archive of numpy arrays; write a dict of tensors by name with torch.save or safetensors",
    ".weights.h5": "is a Keras model; load it with Keras and write a dict of its tensors with torch.save",
}


def refuse_other_archives(path: Path) -> None:
    """InputError unless torch.save wrote the archive, whole and uncompressed.

    What is read is thereby bounded by the size of the file, and every byte agrees with its checksum.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _refuse_other_kinds(path, [member.filename for member in members])
            _refuse_claims(path, members)
            damaged = archive.testzip()
    except InputError:
        raise
    except Exception:  # what a damaged archive raises depends on the byte that is wrong
        raise InputError(f"{path}: {_DAMAGED.format('end or directory is missing')}") from None
    if damaged is not None:
        raise InputError(f"{path}: {_DAMAGED.format(f'member {printable(damaged)} has another checksum')}")


def read_data(path: Path) -> bytes:
    """The pickle in an archive that `refuse_other_archives` let pass."""
    with zipfile.ZipFile(path) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith(f"/{DATA}")))


def _refuse_other_kinds(path: Path, names: Sequence[str]) -> None:
    for end, what in _OTHERS.items():
        if any(name.endswith(end) for name in names):
            raise InputError(f"{path}: {what.format(path=str(path), out=f'{path.stem}-weights.pth')}")
    if sum(name.endswith(f"/{DATA}") for name in names) != 1:
        listed = ", ".join(printable(name) for name in names[:3]) + (", …" if len(names) > 3 else "")
        raise InputError(f"{path}: is a zip archive of other files ({listed}); unpack it and give the file of weights")


def _refuse_claims(path: Path, members: Sequence[zipfile.ZipInfo]) -> None:
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise InputError(f"{path}: is a compressed zip archive, as torch.save writes none; write it with torch.save")
    claimed, size = sum(member.file_size for member in members), path.stat().st_size
    if claimed > size:
        raise InputError(f"{path}: claims {claimed} bytes in a file of {size}; fetch or write the file again")
