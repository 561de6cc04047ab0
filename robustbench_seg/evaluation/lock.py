"""One writer per run folder: a lock that goes with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from robustbench_seg.errors import InputError

LOCK = ".lock"


@contextlib.contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a run folder for the block; InputError where another process, or a call in this one, holds it.

    The lock is SQLite's on an empty file: the same on every platform, and gone with a killed process. The store's
    own would not do, as readers must get at it during a run.
    """
    with contextlib.ExitStack() as stack:
        try:
            lock = sqlite3.connect(folder / LOCK, timeout=0, isolation_level=None)
            stack.enter_context(contextlib.closing(lock)).execute("BEGIN EXCLUSIVE")
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY:
                what = f"run folder '{folder}' is in use by another evaluation ({error}); wait for it, stop it,"
            else:
                what = f"'{folder / LOCK}' cannot be used ({error}); delete it,"
            raise InputError(f"{what} or give another folder with -o") from error
        yield
